#include "codec/capnp_codec.hpp"

#include "codec/capnp_reader.hpp"

namespace epic::codec {

void CapnpCodec::encode(const reflect::TypeInfo& type, const void* object, std::vector<std::byte>& out) const {
  write_message(write_plans_.get(type), object, EmptyTail::kept, out);
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
