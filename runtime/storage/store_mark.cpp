#include "storage/store_mark.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <cerrno>
#include <string_view>

#include "files/private_files.hpp"

namespace epic::storage {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kAway = "away ";
constexpr std::string_view kLost = "lost ";

fs::path mark_of(const fs::path& database) { return database.string() + ".mark"; }

}  // namespace

std::optional<StoreMark> read_mark(const fs::path& database) {
  const fs::path path = mark_of(database);
  if (!files::identify(path)) return std::nullopt;  // cheap: this is asked with each commit
  StoreMark mark{.kind = StoreMark::Kind::lost, .what = fmt::format("'{}' has a mark", database.string())};
  const auto text = files::read_file(path);
  if (!text && text.error().system_error == ENOENT) return std::nullopt;  // a neighbour has just removed it
  if (!text) return mark;
  std::string_view line = std::string_view(*text).substr(0, text->find('\n'));
  if (line.starts_with(kAway)) mark.kind = StoreMark::Kind::away;
  if (!line.starts_with(kAway) && !line.starts_with(kLost)) return mark;
  line.remove_prefix(kLost.size());
  if (!line.empty()) mark.what = line;
  return mark;
}

void write_mark(const fs::path& database, const StoreMark& mark, std::chrono::system_clock::time_point noticed_at) {
  if (const auto former = read_mark(database);
      former && (former->kind == StoreMark::Kind::lost || mark.kind == former->kind))
    return;
  const auto seconds = std::chrono::system_clock::to_time_t(noticed_at);
  const std::string text =
      fmt::format("{}{} (noticed at {:%FT%TZ})\n", mark.kind == StoreMark::Kind::away ? kAway : kLost, mark.what,
                  fmt::gmtime(seconds));
  if (!files::replace_file(mark_of(database), text)) return;
  static_cast<void>(files::sync_directory(fs::absolute(database).parent_path()));
}

std::expected<void, StoreError> remove_mark(const fs::path& database) {
  const fs::path path = fs::absolute(mark_of(database));
  if (!files::identify(path)) return {};
  const auto directory = files::Directory::open(path.parent_path());
  if (!directory)
    return std::unexpected(
        StoreError{StoreErrorCode::io, fmt::format("{} {}", directory.error().message, directory.error().hint)});
  directory->remove(path.filename());
  const int system_error = files::sync_directory(path.parent_path());
  if (system_error == 0 && !files::identify(path)) return {};
  return std::unexpected(StoreError{
      StoreErrorCode::io, fmt::format("cannot remove '{}'. Check that its directory is writable.", path.string())});
}

StoreError marked(const fs::path& database, const StoreMark& mark) {
  return {StoreErrorCode::marked,
          fmt::format(
              "{0}, so acknowledged values may be missing from the store '{1}'. Nothing writes to it until you "
              "have decided what to go on with. Stop the fabric if it runs, and see what is left: `epic "
              "snapshot verify`. To go on with a backup, restore it: `epic restore FILE`. To go on with what is left, "
              "allow writing again: `epic snapshot verify --accept`.",
              mark.what, database.string())};
}

}  // namespace epic::storage
