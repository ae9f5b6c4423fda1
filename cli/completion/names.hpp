#pragma once
// NameSource: the names that only a fabric, a store or an installation knows.
//
// An interface, so that the engine in completion.cpp is tested without any of them.

#include <string>
#include <string_view>
#include <vector>

namespace epic::cli {

class NameSource {
 public:
  virtual ~NameSource() = default;
  virtual std::vector<std::string> types() = 0;
  /// Entities as "Type/Key" that begin with `prefix`, a bounded number of them.
  virtual std::vector<std::string> entities(std::string_view prefix) = 0;
  virtual std::vector<std::string> methods(std::string_view type) = 0;
  virtual std::vector<std::string> nodes() = 0;
  virtual std::vector<std::string> templates() = 0;
};

}  // namespace epic::cli
