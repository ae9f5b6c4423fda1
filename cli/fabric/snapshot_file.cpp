#include "cli/fabric/snapshot_file.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <cerrno>
#include <system_error>

#include "protocol/json.hpp"

namespace epic::cli {
namespace {

constexpr std::size_t kHeadBytesMax = 1u << 20;  // of a document, before its snapshots

Failure cannot_read(const std::string& name, int error) {
  return {.what = fmt::format("cannot read {}", name),
          .why = std::generic_category().message(error),
          .help = {"name a file written by 'epic snapshot export', or - for stdin"}};
}

/// Tracks whether a character of JSON is inside a string, and how deep.
class Nesting {
 public:
  void step(int c) {
    if (is_escaped_) {
      is_escaped_ = false;
    } else if (is_text_) {
      is_escaped_ = c == '\\';
      is_text_ = c != '"';
    } else if (c == '"') {
      is_text_ = true;
    } else if (c == '{' || c == '[') {
      ++depth_;
    } else if (c == '}' || c == ']') {
      --depth_;
    }
  }
  [[nodiscard]] int depth() const { return depth_; }
  [[nodiscard]] bool is_text() const { return is_text_; }

 private:
  int depth_ = 0;
  bool is_text_ = false;
  bool is_escaped_ = false;
};

bool is_space(int c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

}  // namespace

std::FILE* make_temporary_file() { return std::tmpfile(); }

Result<SnapshotFile> SnapshotFile::open(const std::string& path) {
  if (path == "-") return spool("stdin", *stdin);
  std::FILE* file = std::fopen(path.c_str(), "re");
  if (file == nullptr) return fail(cannot_read(path, errno));
  SnapshotFile opened(path, file);
  struct stat status{};
  if (::fstat(::fileno(file), &status) != 0) return fail(cannot_read(path, errno));
  if (S_ISFIFO(status.st_mode)) return spool(path, *file);
  const bool is_null_device = S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3);
  if (S_ISBLK(status.st_mode) || (S_ISCHR(status.st_mode) && !is_null_device))
    return fail({.what = fmt::format("cannot read {}", path), .why = "it is a device"});
  EPIC_TRY(opened.look());
  return opened;
}

/// What can be read only once is copied first.
Result<SnapshotFile> SnapshotFile::spool(const std::string& name, std::FILE& from) {
  SnapshotFile spooled(name, make_temporary_file());
  if (!spooled.file_) return fail(cannot_read("a temporary file", errno));
  char buffer[65536];
  for (std::size_t got = 0; (got = std::fread(buffer, 1, sizeof buffer, &from)) > 0;)
    if (std::fwrite(buffer, 1, got, spooled.file_.get()) != got)
      return fail(cannot_read(fmt::format("a temporary file for {}", name), errno));
  EPIC_TRY(spooled.look());
  return spooled;
}

Result<SnapshotFile> SnapshotFile::adopt(std::string name, std::FILE* file) {
  SnapshotFile adopted(std::move(name), file);
  EPIC_TRY(adopted.look());
  return adopted;
}

std::string SnapshotFile::place(std::uint64_t line) const { return fmt::format("{}, line {}", name_, line); }

int SnapshotFile::get() {
  const int c = ::getc_unlocked(file_.get());
  if (c == '\n') ++line_;
  return c;
}

/// Counts lines, and detects the format.
Result<void> SnapshotFile::look() {
  if (std::fseek(file_.get(), 0, SEEK_SET) != 0) return fail(cannot_read(name_, errno));
  char buffer[65536];
  for (std::size_t got = 0; (got = std::fread(buffer, 1, sizeof buffer, file_.get())) > 0;)
    line_count_ += static_cast<std::uint64_t>(std::count(buffer, buffer + got, '\n'));
  if (std::ferror(file_.get()) != 0) return fail(cannot_read(name_, errno));
  rewind();
  if (find_snapshots()) {
    form_ = Form::document;
    begin_ = std::ftell(file_.get());
    begin_line_ = line_;
  }
  rewind();
  return {};
}

void SnapshotFile::rewind() {
  std::fseek(file_.get(), begin_, SEEK_SET);
  line_ = begin_line_;
}

/// Reads up to and including the `[` after "snapshots" in the outermost object. False if there is none.
bool SnapshotFile::find_snapshots() {
  Nesting nesting;
  std::string text;     // the string that was read last, at depth 1
  bool is_key = false;  // it was "snapshots" and a ':'
  for (std::size_t i = 0; i < kHeadBytesMax; ++i) {
    const int c = get();
    if (c == EOF) return false;
    const bool was_text = nesting.is_text();
    nesting.step(c);
    if (is_key && c == '[') return true;
    if (is_space(c) && !was_text) continue;
    is_key = !was_text && c == ':' && nesting.depth() == 1 && text == "snapshots";
    if (!was_text && nesting.is_text())
      text.clear();
    else if (nesting.is_text() && nesting.depth() == 1)
      text += static_cast<char>(c);
    if (nesting.depth() == 0) return false;
  }
  return false;
}

Result<std::optional<SnapshotFile::Row>> SnapshotFile::next() {
  return form_ == Form::lines ? next_line() : next_element();
}

Result<std::optional<SnapshotFile::Row>> SnapshotFile::next_line() {
  while (true) {
    const std::uint64_t line = line_;
    text_.clear();
    int c = 0;
    while ((c = get()) != EOF && c != '\n') {
      if (text_.size() == kRowBytesMax)
        return fail({.what = fmt::format("{} is longer than {} MiB", place(line), kRowBytesMax >> 20),
                     .help = {"export with -o jsonl, which writes one line per entity"}});
      text_ += static_cast<char>(c);
    }
    if (std::ferror(file_.get()) != 0) return fail(cannot_read(name_, errno));
    if (!std::ranges::all_of(text_, is_space)) return Row{.line = line, .text = text_};
    if (c == EOF) return std::optional<Row>();
  }
}

Result<std::optional<SnapshotFile::Row>> SnapshotFile::next_element() {
  int c = get();
  while (is_space(c) || c == ',') c = get();
  if (c == ']') return std::optional<Row>();
  const std::uint64_t line = line_;
  Nesting nesting;
  text_.clear();
  for (; c != EOF; c = get()) {
    if (text_.size() == kRowBytesMax) break;
    text_ += static_cast<char>(c);
    nesting.step(c);
    if (nesting.depth() == 0 && !nesting.is_text()) {
      if (text_.front() == '{') return Row{.line = line, .text = text_};
      break;
    }
  }
  if (std::ferror(file_.get()) != 0) return fail(cannot_read(name_, errno));
  return fail({.what = fmt::format("{}: the list of snapshots is malformed from here on", place(line)),
               .why = "each snapshot is a JSON object, and the last is followed by ']'",
               .help = {"export again"}});
}

std::expected<EntityName, std::string> entity_of_row(std::string_view text) {
  const auto parsed = EPIC_TRY(protocol::parse_json(text, protocol::DuplicateKeys::refuse));
  const auto* object = parsed.if_object();
  const auto* entity = object == nullptr ? nullptr : object->if_contains("entity");
  if (entity == nullptr || !entity->is_string())
    return std::unexpected("it has no \"entity\": a row is {\"entity\":\"Type/Key\",\"state\":{…}}");
  const std::string_view name = entity->get_string();
  const std::size_t slash = name.find('/');
  if (slash == 0 || slash == std::string_view::npos || slash + 1 == name.size())
    return std::unexpected(fmt::format("\"{}\" is not a valid entity name (Type/Key)", name));
  return EntityName{std::string(name.substr(0, slash)), std::string(name.substr(slash + 1))};
}

}  // namespace epic::cli
