#pragma once
// Codec: encodes and decodes values by walking TypeInfo tables.
//
// The kernel encodes state when a batch is sealed, and arguments when a call leaves the node; it knows neither format.
// Bytes are always read with the schema that they were written with, so reader and writer may differ: fields are
// matched by name.
//
// Implementations: codec/capnp_codec.hpp (the wire and the store), codec/json_codec.hpp (people and scripts).

#include <cstddef>
#include <expected>
#include <span>
#include <string>
#include <vector>

#include "epic/type_info.hpp"

namespace epic::reflect {
class Schema;
}

namespace epic::kernel {

/// Why bytes could not be read: `path` is the part of the value ("inventory[3].name"), `what` a sentence.
struct CodecError {
  std::string path;
  std::string what;
};

class Codec {
 public:
  virtual ~Codec() = default;

  /// Appends the encoding of `object`, a value of `type`, to `out`. Equal values give equal bytes for ordered
  /// containers. Throws std::length_error, a sentence, for a value that is nested too deeply or too large to write.
  virtual void encode(const reflect::TypeInfo& type, const void* object, std::vector<std::byte>& out) const = 0;

  /// Fills `object`, default-constructed, from bytes that were written with `written_with`. Never reads outside
  /// `bytes`, whatever they hold. After an error `object` can be destroyed, but its value is unspecified.
  [[nodiscard]] virtual std::expected<void, CodecError> decode(std::span<const std::byte> bytes,
                                                               const reflect::Schema& written_with,
                                                               const reflect::TypeInfo& type, void* object) const = 0;

  /// The same for data just sent by another node or client, perhaps with a newer version of the class: a widened value
  /// is also read if it fits the narrower type.
  [[nodiscard]] virtual std::expected<void, CodecError> decode_sent(std::span<const std::byte> bytes,
                                                                    const reflect::Schema& written_with,
                                                                    const reflect::TypeInfo& type,
                                                                    void* object) const = 0;
};

}  // namespace epic::kernel
