// epic snapshot export: saved states as JSON, to stdout or into a file that appears only when complete.

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "cli/commands/table.hpp"
#include "cli/fabric/live_export.hpp"
#include "cli/fabric/stored_fabric.hpp"
#include "cli/fabric/stored_mail.hpp"
#include "cli/fabric/stored_reminders.hpp"
#include "cli/fabric/unknown.hpp"
#include "cli/output/atomic_file.hpp"
#include "cli/output/humanize.hpp"
#include "cli/output/progress.hpp"
#include "cli/project/context.hpp"
#include "protocol/json.hpp"
#include "protocol/log_line.hpp"

namespace epic::cli {
namespace {

constexpr PositionalSpec kSnapshotExportPositionals[] = {
    {.name = "TYPE[/KEY]",
     .summary = "Only this type, or this entity",
     .arity = Arity::optional,
     .completes = Completes::type_or_entity},
};

constexpr OptionSpec kSnapshotExportOptions[] = {
    {.name = "live", .summary = "Export from the running fabric, including unsaved changes"},
    {.name = "output",
     .value = "FILE",
     .summary = "Write to this file, which appears, or is replaced, only when complete",
     .fallback = "stdout",
     .completes = Completes::file},
};

constexpr ExitNote kSnapshotExportExitCodes[] = {
    {ExitCode::failed,
     "some snapshots cannot be read, the file cannot be written, or the export took too long for the store's log; "
     "with --live, a node ended or shards moved meanwhile"},
    {ExitCode::not_found, "nothing has been saved, or nothing of this type or name; with --live, no fabric is running"},
};

// The destination: a file, or stdout.
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

// One JSON document, or one line per entity.
class Writer {
 public:
  Writer(Console& console, const Project& project, Sink sink)
      : is_document_(console.format() == Format::json), project_(project), sink_(sink) {}

  void begin(std::string_view cut_of) {
    if (!is_document_) return;
    std::string head = protocol::print_json(
        boost::json::object{{"format", "epic-snapshots-1"},
                            {"project", project_.manifest.name},
                            {"epic", EPIC_VERSION},
                            {"exported_at", protocol::format_time(std::chrono::system_clock::now())},
                            {"cut_of", cut_of}});
    head.pop_back();
    sink_.line(head + ",\"snapshots\":[");
  }
  void row(std::string_view text) {
    if (is_document_ && written_ > 0)
      sink_.line(fmt::format(",{}", text));
    else
      sink_.line(text);
    ++written_;
  }
  /// `cuts`: those of a live export, known only at its end.
  void end(const std::vector<NodeCut>& cuts) {
    if (!is_document_) return;
    boost::json::array nodes;
    for (const NodeCut& cut : cuts) nodes.emplace_back(boost::json::object{{"node", cut.node}, {"commit", cut.commit}});
    sink_.line(nodes.empty() ? "]}" : fmt::format("],\"cuts\":{}}}", protocol::print_json(nodes)));
  }
  [[nodiscard]] std::uint64_t written() const { return written_; }

 private:
  bool is_document_;
  const Project& project_;
  Sink sink_;
  std::uint64_t written_ = 0;
};

struct Exported {
  std::uint64_t damaged = 0;
  std::string of;  // which cut it is
};

Result<Exported> export_store(Console& console, StoredFabric& store, const EntityName& only, Writer& writer) {
  std::uint64_t total = 0;
  if (console.is_terminal(Stream::err)) {
    const auto totals = EPIC_TRY(store.totals(only.type));
    total = totals.entities;
  }
  Progress progress(console, total);
  Exported result{.damaged = 0, .of = std::string(kStoredCutWords)};
  writer.begin(result.of);
  Result<void> stays;
  const auto visit = [&](const boost::json::object& row) {
    const std::string_view entity = row.at("entity").as_string();
    const bool is_meant = only.key.empty() || entity.substr(entity.find('/') + 1) == only.key;
    if (!is_meant) return true;  // the filter is by prefix
    stays = store.stay_at_moment();
    if (!stays) return false;
    writer.row(protocol::print_json(row));
    progress.step();
    return true;
  };
  auto listed =
      store.list({.type = only.type, .key_prefix = only.key}, Detail::state, visit, [&](const Damage& damage) {
        ++result.damaged;
        console.warn(damage.what);
      });
  progress.finish();
  if (!stays) return std::unexpected(std::move(stays.error()));
  if (!listed) return std::unexpected(std::move(listed.error()));
  writer.end({});
  return result;
}

Result<Exported> export_fabric(Console& console, LiveFabric& fabric, const ProjectPaths& paths, const EntityName& only,
                               Writer& writer) {
  std::uint64_t total = 0;
  if (console.is_terminal(Stream::err))
    if (auto store = StoredFabric::open(paths))
      if (const auto totals = store->totals(only.type)) total = totals->entities;
  Progress progress(console, total);
  Exported result;
  writer.begin(kLiveCutWords);
  const auto cuts = export_live(
      fabric, only,
      [&](std::string_view row) {
        writer.row(row);
        progress.step();
      },
      [&](const Damage& damage) {
        ++result.damaged;
        console.warn(damage.what);
      });
  progress.finish();
  if (!cuts) return std::unexpected(cuts.error());
  writer.end(*cuts);
  result.of = fmt::format("{}, {}", kLiveCutWords, cut_text(*cuts));
  return result;
}

// Messages to what is exported are not part of an export, nor are its reminders.
void mention_mail(Console& console, const ProjectPaths& paths, const EntityName& only) {
  auto mail = StoredMail::open(paths);
  if (!mail) return;
  const auto counts = mail->count(only);
  if (!counts) return;
  if (const std::uint64_t count = counts->waiting + counts->begun + counts->dead; count > 0)
    console.note(fmt::format("{} behind: entity exports have no mail; see 'epic outbox list'",
                             count_of(count, "message stays", "messages stay")));
  auto reminders = StoredReminders::open(paths);
  if (!reminders) return;
  if (const auto count = reminders->count(only); count && *count > 0)
    console.note(fmt::format("{} behind: entity exports have none; see 'epic reminders'",
                             count_of(*count, "reminder stays", "reminders stay")));
}

// The current state, for as long as the export takes. Fails if nothing matches.
Result<StoredFabric> open_store(const ProjectPaths& paths, const EntityName& only) {
  auto store = StoredFabric::open_with(paths, only.type);
  if (!store) return store;
  EPIC_TRY(store->hold_moment());
  if (only.key.empty()) return store;
  const auto found = EPIC_TRY(store->inspect(only));
  if (!found) return fail(unsaved_entity(only));
  return store;
}

Outcome run_snapshot_export(Context& context, const Arguments& arguments) {
  if (arguments.value("format") == "text")
    return fail(usage_failure(arguments.command(), "an export is JSON: use -o json or -o jsonl"));
  Console& console = context.console();
  const EntityName only = EPIC_TRY(parse_type_or_entity(arguments));
  const auto project = EPIC_TRY(context.project(arguments));
  std::optional<LiveFabric> fabric;
  std::optional<StoredFabric> store;
  if (arguments.has("live")) {
    auto found = EPIC_TRY(LiveFabric::get(project.paths));
    fabric.emplace(std::move(found));
  } else {
    auto opened = EPIC_TRY(open_store(project.paths, only));
    store.emplace(std::move(opened));
    warn_of_mark(console, project.paths);
  }

  std::optional<AtomicFile> file;
  if (const auto path = arguments.value("output")) {
    auto opened = EPIC_TRY(AtomicFile::open(*path, {.mode = 0600}));
    file.emplace(std::move(opened));
  }
  Writer writer(console, project, Sink(console, file ? &*file : nullptr));
  const auto result = EPIC_TRY(fabric ? export_fabric(console, *fabric, project.paths, only, writer)
                                      : export_store(console, *store, only, writer));
  if (writer.written() == 0 && !only.key.empty()) return fail(fabric ? unknown_entity(only) : unsaved_entity(only));
  if (file) EPIC_TRY(file->keep());
  console.note(fmt::format("Exported {}{}: {}", count_of(writer.written(), "entity", "entities"),
                           file ? fmt::format(" to {}", *arguments.value("output")) : "", result.of));
  mention_mail(console, project.paths, only);
  if (result.damaged == 0) return ExitCode::ok;
  return fail(
      {.what = fmt::format("{} could not be read and {} not in the export",
                           count_of(result.damaged, "snapshot", "snapshots"), result.damaged == 1 ? "is" : "are"),
       .help = {"list what is damaged with 'epic snapshot verify'"}});
}

}  // namespace

constexpr Command kSnapshotExportCommand{
    .path = "snapshot export",
    .group = Group::state,
    .summary = "Write saved states as JSON",
    .description =
        "Reads the store as of one moment, whether or not the fabric is running. During a long export, everything\n"
        "the fabric writes stays in the store's log, which grows accordingly; at half the log's limit the export\n"
        "fails, so that the fabric can go on writing. With --live, the nodes of the\n"
        "running fabric export what they hold, each between two turns, including unsaved changes; calls between\n"
        "nodes may be half done.\n"
        "-o jsonl (the default) prints one line per entity; -o json one document. Each entity has its name,\n"
        "version, schema, the time it was saved, and its state; with --live also whether it was in memory, on\n"
        "which node, whether it was unsaved, and the node's newest commit (\"cut\").",
    .example =
        "epic snapshot export > arena.jsonl\nepic snapshot export Player -o json --output players.json\n"
        "epic snapshot export --live --output arena.jsonl",
    .positionals = kSnapshotExportPositionals,
    .options = kSnapshotExportOptions,
    .exit_codes = kSnapshotExportExitCodes,
    .run = run_snapshot_export,
    .connects = true,
};

}  // namespace epic::cli
