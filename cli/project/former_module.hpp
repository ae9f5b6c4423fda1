#pragma once
// FormerModule: the module as it was before a build, to go back to.
//
// CMake writes a module where nodes find it. Whether it may stay there shows only once it is there; until then a copy
// of the one before lies beside it. Its time of change is kept, so that the next build links anew.

#include <filesystem>

namespace epic::cli {

class FormerModule {
 public:
  /// Copies it, if there is one.
  explicit FormerModule(std::filesystem::path module);
  /// Removes the copy.
  ~FormerModule();
  FormerModule(const FormerModule&) = delete;
  FormerModule& operator=(const FormerModule&) = delete;

  /// Puts the copy in the module's place; without one, nothing stays there.
  void restore();

 private:
  std::filesystem::path module_;
  std::filesystem::path copy_;
  bool is_kept_ = false;
};

}  // namespace epic::cli
