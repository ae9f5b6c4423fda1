#pragma once
// CapnpCodec: encodes values as Cap'n Proto messages, without generated code.
//
// The wire and the store use it. A message has the form of `capnp::messageToFlatArray`, so `capnp decode` (or a program
// in any language) can read it with the text of to_capnp_text() (capnp_text.hpp). codec/README.md describes how kinds
// map to Cap'n Proto, and what may change between writing and reading.
//
// Equal values of one type give equal bytes; unordered containers are sorted for that.
// Single-threaded: plans are made on first use and cached inside, per type and per (schema, type).

#include "codec/capnp_writer.hpp"
#include "codec/read_plan.hpp"
#include "kernel/codec.hpp"

namespace epic::codec {

class CapnpCodec final : public kernel::Codec {
 public:
  /// Throws std::length_error for a value that could not be read back: nested deeper than kValueDepthMax, lists or
  /// texts of 2^29 elements, a variant that is valueless by exception.
  void encode(const reflect::TypeInfo& type, const void* object, std::vector<std::byte>& out) const override;

  /// Never throws. `written_with` may be destroyed afterwards; `type` must stay, like every table.
  [[nodiscard]] std::expected<void, kernel::CodecError> decode(std::span<const std::byte> bytes,
                                                               const reflect::Schema& written_with,
                                                               const reflect::TypeInfo& type,
                                                               void* object) const override;
  [[nodiscard]] std::expected<void, kernel::CodecError> decode_sent(std::span<const std::byte> bytes,
                                                                    const reflect::Schema& written_with,
                                                                    const reflect::TypeInfo& type,
                                                                    void* object) const override;

 private:
  mutable WritePlans write_plans_;
  mutable ReadPlans read_plans_;
};

}  // namespace epic::codec
