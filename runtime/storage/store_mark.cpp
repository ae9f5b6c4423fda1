#include "storage/store_mark.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <string_view>

#include "files/private_files.hpp"
#include "reflect/try.hpp"

namespace epic::storage {

namespace fs = std::filesystem;

namespace {

constexpr std::array kMarkKinds{StoreMark::Kind::lost, StoreMark::Kind::away};  // the first that is there counts

std::string_view name_of(StoreMark::Kind kind) { return kind == StoreMark::Kind::lost ? "lost" : "away"; }

fs::path file_of(const fs::path& database, StoreMark::Kind kind) {
  return database.string() + (kind == StoreMark::Kind::lost ? ".mark" : ".away");
}

std::optional<StoreMark> read_mark_of(const fs::path& database, StoreMark::Kind kind) {
  const fs::path path = file_of(database, kind);
  if (!files::identify(path)) return std::nullopt;  // cheap: this is asked with each commit
  StoreMark mark{.kind = kind, .what = fmt::format("'{}' has a mark", database.string())};
  const auto text = files::read_file(path);
  if (!text && text.error().system_error == ENOENT) return std::nullopt;  // a neighbour has just removed it
  if (!text) return mark;
  std::string_view line = std::string_view(*text).substr(0, text->find('\n'));
  const std::string_view name = name_of(kind);
  if (line.starts_with(name) && line.size() > name.size() + 1) mark.what = line.substr(name.size() + 1);
  return mark;
}

}  // namespace

std::vector<fs::path> mark_files(const fs::path& database) {
  std::vector<fs::path> found;
  for (const StoreMark::Kind kind : kMarkKinds)
    if (fs::path file = file_of(database, kind); files::identify(file)) found.push_back(std::move(file));
  return found;
}

std::optional<StoreMark> read_mark(const fs::path& database) {
  for (const StoreMark::Kind kind : kMarkKinds)
    if (auto mark = read_mark_of(database, kind)) return mark;
  return std::nullopt;
}

void write_mark(const fs::path& database, const StoreMark& mark, std::chrono::system_clock::time_point noticed_at) {
  if (read_mark_of(database, mark.kind)) return;
  const auto seconds = std::chrono::system_clock::to_time_t(noticed_at);
  const std::string text =
      fmt::format("{} {} (noticed at {:%FT%TZ})\n", name_of(mark.kind), mark.what, fmt::gmtime(seconds));
  if (!files::replace_file(file_of(database, mark.kind), text)) return;
  static_cast<void>(files::sync_directory(fs::absolute(database).parent_path()));
}

std::expected<void, StoreError> remove_marks(const fs::path& database) {
  for (const StoreMark::Kind kind : kMarkKinds) EPIC_TRY(remove_mark(database, kind));
  return {};
}

std::expected<void, StoreError> remove_mark(const fs::path& database, StoreMark::Kind kind) {
  const fs::path path = fs::absolute(file_of(database, kind));
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
