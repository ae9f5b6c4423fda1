#include "codec/capnp_codec.hpp"

#include "codec/capnp_message.hpp"
#include "codec/capnp_reader.hpp"
#include "codec/limits.hpp"

namespace epic::codec {

CapnpCodec::CapnpCodec() : scratch_(kScratchBytes / sizeof(capnp::word)) {}

void CapnpCodec::encode(const reflect::TypeInfo& type, const void* object, std::vector<std::byte>& out) const {
  capnp::MallocMessageBuilder message(kj::arrayPtr(scratch_.data(), scratch_.size()));
  write_root(write_plans_.get(type), object, message.getRoot<capnp::AnyPointer>());
  wire::append_message(message, out);
}

std::expected<void, kernel::CodecError> CapnpCodec::decode(std::span<const std::byte> bytes,
                                                           const reflect::Schema& written_with,
                                                           const reflect::TypeInfo& type, void* object) const {
  return read_message(bytes, read_plans_.get(written_with, type, Reading::stored), object);
}

std::expected<void, kernel::CodecError> CapnpCodec::decode_sent(std::span<const std::byte> bytes,
                                                                const reflect::Schema& written_with,
                                                                const reflect::TypeInfo& type, void* object) const {
  return read_message(bytes, read_plans_.get(written_with, type, Reading::sent), object);
}

}  // namespace epic::codec
