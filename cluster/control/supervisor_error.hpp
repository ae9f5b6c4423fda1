#pragma once
// SupervisorError: what keeps a fabric from running, in the shape in which the CLI shows it.

#include <filesystem>
#include <string>

namespace epic::cluster {

struct SupervisorError {
  std::string message;        // what and why, with the path or node that it is about
  std::string hint;           // the way to mend it; may be empty
  std::filesystem::path log;  // where to look further; may be empty
};

}  // namespace epic::cluster
