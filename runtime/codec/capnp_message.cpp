#include "codec/capnp_message.hpp"

#include <fmt/format.h>

#include <bit>
#include <cstring>

#include "codec/limits.hpp"

namespace epic::codec {
namespace {

static_assert(std::endian::native == std::endian::little, "data sections are written as they lie in memory");

bool is_aligned(std::span<const std::byte> bytes) {
  return reinterpret_cast<std::uintptr_t>(bytes.data()) % sizeof(capnp::word) == 0;
}

kj::Array<capnp::word> copy_if_unaligned(std::span<const std::byte> bytes) {
  if (is_aligned(bytes)) return nullptr;
  auto copy = kj::heapArray<capnp::word>(bytes.size() / sizeof(capnp::word));
  std::memcpy(copy.begin(), bytes.data(), bytes.size());
  return copy;
}

kj::ArrayPtr<const capnp::word> words_of(std::span<const std::byte> bytes, const kj::Array<capnp::word>& copy) {
  if (copy.size() > 0) return copy;
  return {reinterpret_cast<const capnp::word*>(bytes.data()), bytes.size() / sizeof(capnp::word)};
}

/// A message of ours is a tree, so each word is visited once; far pointers add a little.
capnp::ReaderOptions reader_options(std::size_t size_bytes) {
  capnp::ReaderOptions options;
  options.traversalLimitInWords = 2 * (size_bytes / sizeof(capnp::word)) + 1024;
  options.nestingLimit = 2 * kValueDepthMax + 16;
  return options;
}

}  // namespace

IncomingMessage::IncomingMessage(std::span<const std::byte> bytes)
    : copy_(copy_if_unaligned(bytes)), reader_(words_of(bytes, copy_), reader_options(bytes.size())) {}

std::string message_problem(std::span<const std::byte> bytes) {
  if (bytes.empty()) return "there are no bytes";
  if (bytes.size() % sizeof(capnp::word) != 0)
    return fmt::format("{} bytes are no whole number of 8-byte words: the message is cut short", bytes.size());
  if (bytes.size() > kMessageBytesMax)
    return fmt::format("{} bytes are above the bound of {} for a message", bytes.size(), kMessageBytesMax);
  return {};
}

capnp::List<capnp::AnyStruct>::Reader read_struct_list(capnp::AnyPointer::Reader pointer) {
  const auto list = pointer.getAs<capnp::AnyList>();
  if (list.size() == 0) return {};
  KJ_REQUIRE(list.getElementSize() == capnp::ElementSize::INLINE_COMPOSITE, "a list of structs is expected here");
  return list.as<capnp::List<capnp::AnyStruct>>();
}

capnp::List<capnp::AnyPointer>::Reader read_pointer_list(capnp::AnyPointer::Reader pointer) {
  const auto list = pointer.getAs<capnp::AnyList>();
  if (list.size() == 0) return {};
  KJ_REQUIRE(list.getElementSize() == capnp::ElementSize::POINTER, "a list of pointers is expected here");
  return list.as<capnp::List<capnp::AnyPointer>>();
}

}  // namespace epic::codec
