// epic snapshot diff: the differences between two exports, or between an export and the current state.

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <set>
#include <string>
#include <vector>

#include "cli/commands/table.hpp"
#include "cli/fabric/live_export.hpp"
#include "cli/fabric/sorted_rows.hpp"
#include "cli/fabric/stored_fabric.hpp"
#include "cli/output/json_changes.hpp"
#include "cli/output/json_rows.hpp"
#include "cli/output/progress.hpp"
#include "cli/project/context.hpp"
#include "protocol/json.hpp"

namespace epic::cli {
namespace json = boost::json;
namespace {

constexpr PositionalSpec kSnapshotDiffPositionals[] = {
    {.name = "A", .summary = "An export; - for stdin", .completes = Completes::file},
    {.name = "B",
     .summary = "Another export; by default, what is stored now",
     .arity = Arity::optional,
     .completes = Completes::file},
};

constexpr OptionSpec kSnapshotDiffOptions[] = {
    {.name = "live", .summary = "Compare with the running fabric, including unsaved changes"},
};

constexpr ExitNote kSnapshotDiffExitCodes[] = {
    {ExitCode::ok, "they are equal"},
    {ExitCode::failed, "they differ; or, with an error, one of them cannot be read"},
    {ExitCode::not_found, "nothing has been saved; with --live, no fabric is running"},
};

/// The entities whose current state could not be read; they are not compared.
using Unreadable = std::set<std::string>;

/// The current state, as an export in a temporary file.
Result<SnapshotFile> export_present(Context& context, const ProjectPaths& paths, bool is_live, Unreadable& unreadable) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(make_temporary_file(), &std::fclose);
  if (!file) return fail({.what = "cannot create a temporary file", .help = {"free space in TMPDIR, or in /tmp"}});
  const auto write = [&](std::string_view row) {
    std::fwrite(row.data(), 1, row.size(), file.get());
    std::fputc('\n', file.get());
  };
  const auto on_damage = [&](const Damage& damage) {
    context.console().warn(damage.what);
    unreadable.insert(damage.entity);
  };
  if (is_live) {
    auto fabric = EPIC_TRY(LiveFabric::get(paths));
    EPIC_TRY(export_live(fabric, {}, write, on_damage));
  } else {
    auto store = EPIC_TRY(StoredFabric::open(paths));
    warn_of_mark(context.console(), paths);
    EPIC_TRY(store.hold_moment());
    const auto visit = [&](const json::object& row) {
      write(protocol::print_json(row));
      return true;
    };
    EPIC_TRY(store.list({}, Detail::state, visit, on_damage));
  }
  if (std::fflush(file.get()) != 0 || std::ferror(file.get()) != 0)
    return fail({.what = "cannot write a temporary file", .help = {"free space in TMPDIR, or in /tmp"}});
  return SnapshotFile::adopt(is_live ? "the running fabric" : "the store", file.release());
}

/// The state of a row; an error with the row's position if it has none.
Result<json::value> state_of(const SortedRows& rows, const SortedRows::Row& row) {
  auto parsed = protocol::parse_json(row.text);
  if (parsed && parsed->is_object())
    if (auto* state = parsed->get_object().if_contains("state")) return std::move(*state);
  return fail({.what = fmt::format("{} has no state in {}", printable(row.name), rows.name())});
}

class Printer {
 public:
  explicit Printer(Console& console) : console_(console), rows_(console) {}

  void print(std::string_view change, const std::string& entity, const std::vector<JsonChange>& parts) {
    ++count_;
    if (console_.is_json()) {
      json::array paths;
      for (const JsonChange& part : parts) {
        json::object one{{"path", part.path}};
        if (part.from) one["from"] = *part.from;
        if (part.to) one["to"] = *part.to;
        paths.emplace_back(std::move(one));
      }
      return rows_.add(json::object{{"entity", entity}, {"change", change}, {"paths", std::move(paths)}});
    }
    const Paint paint = change == "added" ? Paint::green : change == "removed" ? Paint::red : Paint::yellow;
    const std::string_view sign = change == "added" ? "+" : change == "removed" ? "-" : "~";
    console_.print(console_.paint(Stream::out, paint, fmt::format("{} {}", sign, printable(entity))));
    for (const JsonChange& part : parts)
      console_.print(fmt::format("    {}: {} -> {}", part.path.empty() ? "state" : printable(part.path),
                                 part.from ? protocol::print_json(*part.from) : "(none)",
                                 part.to ? protocol::print_json(*part.to) : "(none)"));
  }
  [[nodiscard]] std::uint64_t count() const { return count_; }

 private:
  Console& console_;
  JsonRows rows_;
  std::uint64_t count_ = 0;
};

struct Counts {
  std::uint64_t added = 0, removed = 0, changed = 0, equal = 0;
};

/// Both are sorted, so one pass finds all differences.
Result<Counts> compare(SortedRows& a, SortedRows& b, const Unreadable& of_b, Printer& printer, Progress& progress) {
  Counts counts;
  auto left = a.next();
  auto right = b.next();
  while (left && right && (*left || *right)) {
    // Order by type, then key. Comparing whole names would not do: '/' is not the smallest character.
    const auto order = [](const std::string& name) {
      const std::size_t slash = name.find('/');
      return std::pair(std::string_view(name).substr(0, slash), std::string_view(name).substr(slash + 1));
    };
    if (!*right || (*left && order((*left)->name) < order((*right)->name))) {
      if (!of_b.contains((*left)->name)) {
        ++counts.removed;
        printer.print("removed", (*left)->name, {});
      }
      left = a.next();
    } else if (!*left || order((*right)->name) < order((*left)->name)) {
      ++counts.added;
      printer.print("added", (*right)->name, {});
      right = b.next();
    } else {
      const auto from = EPIC_TRY(state_of(a, **left));
      const auto to = EPIC_TRY(state_of(b, **right));
      const auto changes = list_changes(from, to);
      ++(changes.empty() ? counts.equal : counts.changed);
      if (!changes.empty()) printer.print("changed", (*left)->name, changes);
      left = a.next();
      right = b.next();
    }
    progress.step();
  }
  if (!left) return std::unexpected(std::move(left.error()));
  if (!right) return std::unexpected(std::move(right.error()));
  return counts;
}

Outcome run_snapshot_diff(Context& context, const Arguments& arguments) {
  const auto other = arguments.word(1);
  if (other && arguments.has("live"))
    return fail(usage_failure(arguments.command(), "--live compares with the running fabric, so B cannot be given"));
  if (other && *other == "-" && *arguments.word(0) == "-")
    return fail(usage_failure(arguments.command(), "only one of the two can be stdin"));
  auto first = EPIC_TRY(SnapshotFile::open(*arguments.word(0)));
  Unreadable unreadable;
  const auto open_second = [&]() -> Result<SnapshotFile> {
    if (other) return SnapshotFile::open(*other);
    const auto paths = EPIC_TRY(context.paths(arguments));
    return export_present(context, paths, arguments.has("live"), unreadable);
  };
  auto second = EPIC_TRY(open_second());
  const auto project = context.find(arguments);  // files can be compared outside a project
  const Catalog names = project ? names_of_build(*project) : Catalog();
  auto a = EPIC_TRY(SortedRows::open(std::move(first), names));
  auto b = EPIC_TRY(SortedRows::open(std::move(second), names));

  Console& console = context.console();
  Printer printer(console);
  Progress progress(console, std::max(a.count(), b.count()));
  const auto counts = compare(a, b, unreadable, printer, progress);
  progress.finish();
  if (!counts) return std::unexpected(counts.error());
  console.note(fmt::format("{} added, {} removed, {} changed, {} equal", counts->added, counts->removed,
                           counts->changed, counts->equal));
  if (!unreadable.empty())
    return fail({.what = fmt::format("{} of what is there now could not be read and {} not compared",
                                     count_of(unreadable.size(), "snapshot", "snapshots"),
                                     unreadable.size() == 1 ? "was" : "were"),
                 .help = {"list what is damaged with 'epic snapshot verify'"}});
  return printer.count() == 0 ? ExitCode::ok : ExitCode::failed;
}

}  // namespace

constexpr Command kSnapshotDiffCommand{
    .path = "snapshot diff",
    .group = Group::state,
    .summary = "Show the differences between two exports, or an export and now",
    .description =
        "Compares states: which entities were added or removed from A to B, and which parts of the others\n"
        "changed. Versions and times are ignored. Without B, B is what is stored now; with --live, what the\n"
        "running fabric holds. Exits with 0 if they are equal, and with 1 if they differ. Exports may be in any\n"
        "order; one that is not in the order of 'epic snapshot export' is sorted in temporary files first.",
    .example =
        "epic snapshot diff monday.jsonl tuesday.jsonl\nepic snapshot diff monday.jsonl\n"
        "epic snapshot diff before.jsonl --live -o jsonl",
    .positionals = kSnapshotDiffPositionals,
    .options = kSnapshotDiffOptions,
    .exit_codes = kSnapshotDiffExitCodes,
    .run = run_snapshot_diff,
    .connects = true,
};

}  // namespace epic::cli
