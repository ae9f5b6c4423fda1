// Any schema text or JSON text must give an error or a value. The first byte selects which of them to parse.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "codec/capnp_text.hpp"
#include "codec/json_codec.hpp"
#include "codec/snapshot_json.hpp"
#include "protocol/json.hpp"
#include "reflect/schema.hpp"
#include "support/sample_types.hpp"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

/// A schema that parses has a text that parses to itself, and using it is harmless.
void schema_text(std::string_view text) {
  using epic::reflect::Schema;
  const auto schema = Schema::parse(text);
  if (!schema) return;
  const auto again = Schema::parse(schema->text());
  require(again.has_value() && again->text() == schema->text());
  (void)epic::codec::to_capnp_text(*schema);
  static constexpr std::array<std::byte, 16> kEmptyMessage{{{}, {}, {}, {}, std::byte{1}}};  // one word: a null pointer
  (void)epic::codec::to_json(*schema, kEmptyMessage);
}

void json_text(std::string_view text) {
  const auto json = epic::protocol::parse_json(text);
  if (!json) return;
  sample::Everything value;
  const auto& type = epic::reflect::type_of<sample::Everything>();
  if (!epic::codec::from_json(*json, type, &value)) return;
  const std::string once = epic::protocol::print_json(epic::codec::to_json(type, &value));
  sample::Everything again;
  require(epic::codec::from_json(*epic::protocol::parse_json(once), type, &again).has_value());
  require(epic::protocol::print_json(epic::codec::to_json(type, &again)) == once);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 0) {
    schema_text(text);
  } else {
    json_text(text);
  }
  return 0;
}
