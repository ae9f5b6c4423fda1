#pragma once
// JSON for people and scripts: arguments typed on a command line, state shown by `inspect`, results.
//
// Everything is spelt so that it reads back as it was; codec/README.md lists the spellings. Fields that are left out
// keep what the object had.

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <expected>

#include "codec/json_reader.hpp"
#include "codec/show_name.hpp"
#include "epic/type_info.hpp"
#include "kernel/codec.hpp"

namespace epic::codec {

/// Throws std::length_error for values nested deeper than kValueDepthMax.
[[nodiscard]] boost::json::value to_json(const reflect::TypeInfo& type, const void* object,
                                         const ShowName& show_name = {});

/// The error is in the user's terms: `expected int32, got the string "x"`. After one, `object` is destructible and its
/// value unspecified. Never throws. Adds to `ignored_count` the fields that it has passed over.
[[nodiscard]] std::expected<void, kernel::CodecError> from_json(const boost::json::value& json,
                                                                const reflect::TypeInfo& type, void* object,
                                                                UnknownFields unknown_fields = UnknownFields::refuse,
                                                                std::size_t* ignored_count = nullptr);

/// As from_json, for the arguments of a method, by position. The error is one sentence: "argument 2: expected int32,
/// got the string \"x\"", or "takes 2 arguments (int32, text), got 3"; with their names, if they have any: "argument 2
/// (y)",
/// "(x: int32, y: text)".
[[nodiscard]] std::expected<void, std::string> arguments_from_json(const boost::json::array& arguments,
                                                                   const reflect::TypeInfo& method_arguments,
                                                                   void* object);

/// JSON text as bytes. Reads by the names in the text itself; the schema that it was written with is not needed. Fields
/// that today's type does not have are ignored. Any number of threads.
class JsonCodec final : public kernel::Codec {
 public:
  /// Throws as to_json() does.
  void encode(const reflect::TypeInfo& type, const void* object, std::vector<std::byte>& out) const override;

  [[nodiscard]] std::expected<void, kernel::CodecError> decode(std::span<const std::byte> bytes,
                                                               const reflect::Schema& written_with,
                                                               const reflect::TypeInfo& type,
                                                               void* object) const override;
  [[nodiscard]] std::expected<void, kernel::CodecError> decode_sent(std::span<const std::byte> bytes,
                                                                    const reflect::Schema& written_with,
                                                                    const reflect::TypeInfo& type,
                                                                    void* object) const override {
    return decode(bytes, written_with, type, object);  // JSON has no types to widen
  }
};

}  // namespace epic::codec
