#include <array>
#include <boost/json/array.hpp>
#include <cstdio>
#include <tuple>

#include "cli/commands/table.hpp"
#include "cli/fabric/entity_name.hpp"
#include "cli/fabric/snapshot_file.hpp"
#include "cli/output/text.hpp"
#include "cli/project/manifest.hpp"
#include "codec/capnp_codec.hpp"
#include "codec/capnp_text.hpp"
#include "codec/json_codec.hpp"
#include "codec/snapshot_json.hpp"
#include "epic/epic.hpp"
#include "fuzz/target.hpp"
#include "kernel/placement.hpp"
#include "kernel/type_table.hpp"
#include "node/import_reader.hpp"
#include "protocol/json.hpp"
#include "reflect/schema_of.hpp"
#include "support/sample_types.hpp"

namespace epic::fuzz {
namespace {

class Sample : public Entity {
  sample::Everything everything;

 public:
  Task<void> touch() { co_return; }
  EPIC_ENTITY(Sample, state(everything), methods(touch), named("Sample", formerly("Specimen")))
};

kernel::TypeTable& types() {
  static kernel::TypeTable table = [] {
    static const EntityInfoFn entities[] = {&Sample::epic_info};
    static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
    kernel::TypeTable filled;
    require(filled.add(info).has_value());
    return filled;
  }();
  return table;
}

/// A schema that parses has a text that parses to itself, and using it is harmless.
void schema_texts(std::span<const std::byte> input) {
  const auto schema = reflect::Schema::parse(text_of(input));
  if (!schema) return;
  const auto again = reflect::Schema::parse(schema->text());
  require(again.has_value() && again->text() == schema->text());
  (void)codec::to_capnp_text(*schema);
  static constexpr std::array<std::byte, 16> kEmptyMessage{{{}, {}, {}, {}, std::byte{1}}};  // one word: a null pointer
  (void)codec::to_json(*schema, kEmptyMessage);
}
std::vector<Bytes> schema_examples() {
  return {bytes_of(reflect::schema_of(reflect::type_of<sample::Whole>()).text()),
          bytes_of(reflect::schema_of(reflect::type_of<sample::Node>()).text())};
}

/// Arguments of `epic call`, one a line. What fits is shown as JSON that fits again, and means the same.
void json_arguments(std::span<const std::byte> input) {
  using Arguments = std::tuple<std::int64_t, sample::Whole, std::string, std::vector<sample::Node>>;
  static const auto& type = reflect::type_of<Arguments>();
  boost::json::array words;
  std::string_view text = text_of(input);
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    auto value = protocol::parse_json(line, protocol::DuplicateKeys::refuse);
    words.push_back(value ? std::move(*value) : boost::json::value(boost::json::string(line)));
  }
  Arguments arguments;
  if (!codec::arguments_from_json(words, type, &arguments)) return;
  const std::string once = protocol::print_json(codec::to_json(type, &arguments));
  const auto shown = protocol::parse_json(once);
  require(shown.has_value());
  Arguments again;
  require(codec::from_json(*shown, type, &again).has_value());
  require(protocol::print_json(codec::to_json(type, &again)) == once);
}
std::vector<Bytes> argument_examples() {
  const sample::Whole value = sample::whole();
  const std::string text = protocol::print_json(codec::to_json(reflect::type_of<sample::Whole>(), &value));
  return {bytes_of("7\n" + text + "\nBob\n[]"), bytes_of("-1\n{}\n\"Bob\"\n[{\"label\":\"a\",\"children\":[{}]}]")};
}

/// An export as `epic snapshot import` reads it: cut into rows, each read by the class that it names.
void import_lines(std::span<const std::byte> input) {
  static const codec::CapnpCodec codec;
  std::FILE* const file = cli::make_temporary_file();
  require(file != nullptr && std::fwrite(input.data(), 1, input.size(), file) == input.size());
  auto rows = cli::SnapshotFile::adopt("export", file);
  if (!rows) return;
  std::size_t count = 0;
  std::size_t count_again = 0;
  node::ImportReader reader(types(), codec);
  for (auto row = rows->next(); row && *row; row = rows->next(), ++count) {
    (void)cli::entity_of_row((*row)->text);
    const auto read = reader.read((*row)->text);
    if (!read || !read->state) continue;
    Entity* const entity = Sample::epic_info().create();
    require(
        codec.decode(*read->state, read->type->schema, Sample::epic_info().state, Sample::epic_info().object(entity))
            .has_value());
    Sample::epic_info().destroy(entity);
  }
  rows->rewind();
  for (auto row = rows->next(); row && *row; row = rows->next()) ++count_again;
  require(count == count_again);
}
std::vector<Bytes> import_examples() {
  const sample::Everything value = sample::everything();
  const std::string state = protocol::print_json(codec::to_json(reflect::type_of<sample::Everything>(), &value));
  const std::string row = "{\"entity\":\"Specimen/a/b\",\"version\":7,\"state\":{\"everything\":" + state + "}}";
  return {bytes_of(row + "\n{\"entity\":\"Sample/b\",\"remove\":true}\n"), bytes_of("{\"snapshots\":[" + row + "]}")};
}

void epic_toml(std::span<const std::byte> input) { (void)cli::parse_manifest(text_of(input), "epic.toml"); }

/// A name as it is typed, looked up and placed.
void entity_names(std::span<const std::byte> input) {
  const std::string_view text = text_of(input);
  const cli::Command& command = *cli::command_table().find("inspect");
  (void)cli::parse_type_or_entity(command, text);
  if (const auto name = cli::parse_entity(command, text)) {
    require(name->text() == text);
    require(kernel::ungrouped(64).shard_of(name->type, name->key) == kernel::ungrouped(64).shard_of(text));
  }
  const std::string stored = types().stored(text);
  require(types().stored(types().shown(stored)) == stored);
  (void)types().find(text.substr(0, text.find('/')));
  (void)types().nearest_type(text);
  require(cli::printable(cli::printable(text)) == cli::printable(text));
}
std::vector<Bytes> name_examples() {
  return {bytes_of("Sample/{yard}:7"), bytes_of("Specimen/a/b c"), bytes_of("sample/\xc3\xa9\xe2\x80\xae")};
}

constexpr Target kTextTargets[] = {
    {"schema-texts", schema_texts, schema_examples}, {"json-arguments", json_arguments, argument_examples},
    {"import-lines", import_lines, import_examples}, {"epic-toml", epic_toml, no_examples},
    {"entity-names", entity_names, name_examples},
};

}  // namespace

std::span<const Target> text_targets() { return kTextTargets; }

}  // namespace epic::fuzz
