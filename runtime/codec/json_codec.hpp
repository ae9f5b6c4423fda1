#pragma once
// JSON for people and scripts: arguments typed on a command line, state shown by `inspect`, results.
//
// Everything is written so that it reads back unchanged; codec/README.md lists the forms. Fields that are left out keep
// the object's value.

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

/// The error is in the user's terms: `expected int32, got the string "x"`. After an error `object` can be destroyed,
/// but its value is unspecified. Never throws. Adds the number of ignored fields to `ignored_count`.
[[nodiscard]] std::expected<void, kernel::CodecError> from_json(const boost::json::value& json,
                                                                const reflect::TypeInfo& type, void* object,
                                                                UnknownFields unknown_fields = UnknownFields::refuse,
                                                                std::size_t* ignored_count = nullptr);

/// Like from_json, for the arguments of a method, by position. The error is one sentence: "argument 2: expected int32,
/// got the string \"x\"", or "takes 2 arguments (int32, text), got 3"; with parameter names, if the method has them:
/// "argument 2 (y)", "(x: int32, y: text)".
[[nodiscard]] std::expected<void, std::string> arguments_from_json(const boost::json::array& arguments,
                                                                   const reflect::TypeInfo& method_arguments,
                                                                   void* object);

/// JSON text as bytes. Reads by the names in the text itself, so it does not need the schema that it was written with.
/// Ignores fields that the current type does not have. Thread-safe.
class JsonCodec final : public kernel::Codec {
 public:
  /// Throws like to_json().
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
