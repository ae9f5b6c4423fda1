#pragma once
// Unfinished: a place for what is being made, until it is complete and moved to its target.
//
// The target's directory may be one in which everybody can make files, such as /tmp. So the place is a directory beside
// the target that we have made just now, with mode 0700: nobody else can have put a link into it, nor the log that
// SQLite would read with a database. It is used through its descriptor, whatever is done to its name.
//
// Without move_to() it leaves nothing behind. A killed process leaves the directory.

#include <cstdint>
#include <expected>
#include <filesystem>

#include "files/private_files.hpp"

namespace epic::cli {

enum class Existing : std::uint8_t { replaced, refused };

class Unfinished {
 public:
  /// The error is the system's.
  static std::expected<Unfinished, int> begin(const std::filesystem::path& target);
  Unfinished(Unfinished&&) noexcept = default;
  Unfinished& operator=(Unfinished&&) noexcept = delete;
  ~Unfinished();

  /// Where the file or directory is to be made; nothing is there at first.
  [[nodiscard]] std::filesystem::path path() const;
  /// Returns 0, or the system's error: EEXIST if `target` is there and must stay.
  [[nodiscard]] int move_to(const std::filesystem::path& target, Existing existing);

 private:
  explicit Unfinished(files::Directory directory) : directory_(std::move(directory)) {}

  files::Directory directory_;
};

}  // namespace epic::cli
