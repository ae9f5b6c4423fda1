#include "cli/fabric/sorted_rows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace epic::cli {
namespace {

Failure cannot_spool() {
  return {.what = "cannot write a temporary file",
          .why = std::generic_category().message(errno),
          .help = {"free space in TMPDIR, or in /tmp"}};
}

bool put(std::FILE* file, const std::string& text) {
  const std::uint64_t size = text.size();
  return std::fwrite(&size, sizeof size, 1, file) == 1 && std::fwrite(text.data(), 1, text.size(), file) == text.size();
}

bool get(std::FILE* file, std::string& text) {
  std::uint64_t size = 0;
  if (std::fread(&size, sizeof size, 1, file) != 1) return false;
  text.resize(size);
  return std::fread(text.data(), 1, text.size(), file) == text.size();
}

std::string name_of(std::string order) {
  order[order.find('\0')] = '/';
  return order;
}

}  // namespace

Result<SortedRows> SortedRows::open(SnapshotFile file, const Catalog& names, std::size_t run_bytes_max) {
  SortedRows rows(std::move(file), names, run_bytes_max);
  const auto in_order = EPIC_TRY(rows.is_in_order());
  rows.file_.rewind();
  if (!in_order) EPIC_TRY(rows.sort());
  return rows;
}

Result<std::optional<SortedRows::Entry>> SortedRows::read_entry() {
  auto row = EPIC_TRY(file_.next());
  if (!row) return std::optional<Entry>();
  line_ = row->line;
  auto name = entity_of_row(row->text);
  if (!name) return fail({.what = fmt::format("{}: {}", file_.place(line_), name.error())});
  return Entry{.order = names_.shown(name->type) + '\0' + name->key, .text = std::string(row->text)};
}

Result<bool> SortedRows::is_in_order() {
  std::string last;
  bool in_order = true;
  while (true) {
    auto entry = EPIC_TRY(read_entry());
    if (!entry) return in_order;
    ++count_;
    if (entry->order <= last) in_order = false;
    last = std::move(entry->order);
  }
}

Result<void> SortedRows::sort() {
  std::vector<Entry> entries;
  std::size_t bytes = 0;
  while (true) {
    auto entry = EPIC_TRY(read_entry());
    if (entry) {
      bytes += entry->order.size() + entry->text.size() + sizeof(Entry);
      entries.push_back(std::move(*entry));
    }
    if (!entries.empty() && (bytes >= run_bytes_max_ || !entry)) {
      EPIC_TRY(write_run(std::exchange(entries, {})));
      bytes = 0;
    }
    if (!entry) break;
  }
  for (Run& run : runs_) run.head = read_head(run);
  return {};
}

Result<void> SortedRows::write_run(std::vector<Entry> entries) {
  std::ranges::sort(entries, {}, &Entry::order);
  Run run{.file = std::unique_ptr<std::FILE, Close>(make_temporary_file()), .head = {}};
  if (!run.file) return fail(cannot_spool());
  for (const Entry& entry : entries)
    if (!put(run.file.get(), entry.order) || !put(run.file.get(), entry.text)) return fail(cannot_spool());
  if (std::fflush(run.file.get()) != 0) return fail(cannot_spool());
  std::rewind(run.file.get());
  runs_.push_back(std::move(run));
  return {};
}

std::optional<SortedRows::Entry> SortedRows::read_head(Run& run) {
  Entry entry;
  if (!get(run.file.get(), entry.order) || !get(run.file.get(), entry.text)) return std::nullopt;
  return entry;
}

Result<std::optional<SortedRows::Entry>> SortedRows::pop_smallest() {
  Run* smallest = nullptr;
  for (Run& run : runs_)
    if (run.head && (smallest == nullptr || run.head->order < smallest->head->order)) smallest = &run;
  if (smallest == nullptr) return std::optional<Entry>();
  std::optional<Entry> first = std::exchange(smallest->head, read_head(*smallest));
  if (std::ferror(smallest->file.get()) != 0)
    return fail({.what = "cannot read a temporary file", .why = std::generic_category().message(errno)});
  return first;
}

Result<std::optional<SortedRows::Row>> SortedRows::next() {
  auto entry = EPIC_TRY(runs_.empty() ? read_entry() : pop_smallest());
  if (!entry) return std::optional<Row>();
  if (entry->order == last_order_)
    return fail({.what = fmt::format("{} occurs twice in {}", name_of(last_order_), file_.name()),
                 .help = {"remove one of the two"}});
  last_order_ = entry->order;
  return Row{.name = name_of(std::move(entry->order)), .text = std::move(entry->text)};
}

}  // namespace epic::cli
