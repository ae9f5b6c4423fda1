// Any message must give an error or a value; a value must encode to bytes that decode to the same value.

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "codec/capnp_codec.hpp"
#include "codec/snapshot_json.hpp"
#include "reflect/schema_of.hpp"
#include "support/sample_types.hpp"

using epic::codec::CapnpCodec;
using epic::reflect::Schema;
using epic::reflect::schema_of;
using epic::reflect::type_of;
using sample::Everything;

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

std::vector<std::byte> encoded(const Everything& value) {
  static const CapnpCodec codec;
  std::vector<std::byte> bytes;
  codec.encode(type_of<Everything>(), &value, bytes);
  return bytes;
}

}  // namespace

/// Replaces an almost empty message by a valid one, from which libFuzzer continues.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size, unsigned) {
  static const std::vector<std::byte> good = encoded(sample::everything());
  if (size < 16 && max_size >= good.size()) {
    std::memcpy(data, good.data(), good.size());
    size = good.size();
  }
  return LLVMFuzzerMutate(data, size, max_size);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const CapnpCodec codec;
  static const Schema schema = schema_of(type_of<Everything>());
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);

  (void)epic::codec::to_json(schema, bytes);

  Everything value;
  if (!codec.decode(bytes, schema, type_of<Everything>(), &value)) return 0;
  const auto once = encoded(value);
  Everything again;
  require(codec.decode(once, schema, type_of<Everything>(), &again).has_value());
  require(encoded(again) == once);
  return 0;
}
