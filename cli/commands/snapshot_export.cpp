// epic snapshot export: saved states as JSON, to stdout or into a file that appears whole.

#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "cli/commands/table.hpp"
#include "cli/context.hpp"
#include "cli/fabric/stored_fabric.hpp"
#include "cli/fabric/unknown.hpp"
#include "cli/output/atomic_file.hpp"
#include "cli/output/humanize.hpp"
#include "cli/output/progress.hpp"

namespace epic::cli {
namespace {

constexpr PositionalSpec kPositionals[] = {
    {.name = "TYPE[/KEY]",
     .summary = "Only this type, or this entity",
     .arity = Arity::optional,
     .completes = Completes::type_or_entity},
};

constexpr OptionSpec kOptions[] = {
    {.name = "output",
     .value = "FILE",
     .summary = "Write to this file, which appears when it is whole, in place of an older one",
     .fallback = "stdout",
     .completes = Completes::file},
};

constexpr ExitNote kExitCodes[] = {
    {ExitCode::failed, "some snapshots cannot be read, or the file cannot be written"},
    {ExitCode::not_found, "nothing has been saved, or nothing of this type or name"},
};

// Where the text goes: a file, or stdout.
class Sink {
 public:
  Sink(Console& console, AtomicFile* file) : console_(console), file_(file) {}
  void line(std::string_view text) {
    if (file_) file_->write(text);
    if (file_) file_->write("\n");
    if (!file_) console_.print(text);
  }

 private:
  Console& console_;
  AtomicFile* file_;  // null: stdout
};

struct Export {
  std::uint64_t written = 0;
  std::uint64_t damaged = 0;
};

// One JSON document, or a line an entity. `only` is a whole type, one entity, or everything.
Result<Export> write_export(Context& context, StoredFabric& store, const Project& project, const EntityName& only,
                            Sink sink) {
  Console& console = context.console();
  const bool lines = console.format() == Format::jsonl;
  const auto totals = store.totals(only.type);
  if (!totals) return std::unexpected(totals.error());
  Progress progress(console, only.key.empty() ? totals->entities : 1);
  Export result;
  if (!lines) {
    const boost::json::object head{{"format", "epic-snapshots-1"},
                                   {"project", project.manifest.name},
                                   {"epic", EPIC_VERSION},
                                   {"exported_at", to_rfc3339(std::chrono::system_clock::now())}};
    std::string text = boost::json::serialize(head);
    text.pop_back();
    sink.line(text + ",\"snapshots\":[");
  }
  const auto visit = [&](boost::json::object row) {
    if (!only.key.empty() && row.at("entity").as_string() != only.text()) return true;  // the filter is by prefix
    sink.line((lines || result.written == 0 ? "" : ",") + boost::json::serialize(row));
    ++result.written;
    progress.step();
    return true;
  };
  auto listed =
      store.list({.type = only.type, .key_prefix = only.key}, Detail::state, visit, [&](const std::string& damage) {
        ++result.damaged;
        console.warn(damage);
      });
  progress.finish();
  if (!listed) return std::unexpected(std::move(listed.error()));
  if (!lines) sink.line("]}");
  return result;
}

Outcome run(Context& context, const Arguments& arguments) {
  if (arguments.value("format") == "text")
    return fail(usage_failure(arguments.command(), "an export is JSON: give -o json or -o jsonl"));
  Console& console = context.console();
  if (!console.is_json()) console.configure(console.with_format(Format::jsonl));
  EntityName only;
  if (const auto word = arguments.word(0)) {
    auto name = parse_type_or_entity(arguments.command(), *word);
    if (!name) return std::unexpected(std::move(name.error()));
    only = std::move(*name);
  }
  const auto project = context.project(arguments);
  if (!project) return std::unexpected(project.error());
  auto store = StoredFabric::open_with(project->paths, only.type);
  if (!store) return std::unexpected(std::move(store.error()));
  if (!only.key.empty()) {
    const auto found = store->inspect(only);
    if (!found) return std::unexpected(found.error());
    if (!*found) return fail(unsaved_entity(only));
  }

  std::optional<AtomicFile> file;
  if (const auto path = arguments.value("output")) {
    auto opened = AtomicFile::open(*path);
    if (!opened) return std::unexpected(std::move(opened.error()));
    file.emplace(std::move(*opened));
  }
  const auto result = write_export(context, *store, *project, only, Sink(console, file ? &*file : nullptr));
  if (!result) return std::unexpected(result.error());
  if (file) {
    if (auto kept = file->keep(); !kept) return std::unexpected(std::move(kept.error()));
    console.note(fmt::format("Exported {} entities to {}", result->written, *arguments.value("output")));
  }
  if (result->damaged == 0) return ExitCode::ok;
  return fail({.what = fmt::format("{} snapshots could not be read and are not in the export", result->damaged),
               .help = {"see what else is wrong with 'epic doctor'"}});
}

}  // namespace

const Command& snapshot_export_command() {
  static constexpr Command kCommand{
      .path = "snapshot export",
      .group = Group::state,
      .summary = "Write saved states as JSON",
      .description =
          "Reads the store, whether the fabric runs or not. -o jsonl, which is the default, gives one line an entity; "
          "-o json\n"
          "one document. Each entity has its name, version, schema, the time when it was saved, and its state.",
      .example = "epic snapshot export > arena.jsonl\nepic snapshot export Player -o json --output players.json",
      .positionals = kPositionals,
      .options = kOptions,
      .exit_codes = kExitCodes,
      .run = run,
  };
  return kCommand;
}

}  // namespace epic::cli
