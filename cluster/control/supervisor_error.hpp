#pragma once
// SupervisorError: what keeps a fabric from running, in the form in which the CLI shows it.

#include <filesystem>
#include <string>

#include "files/private_files.hpp"

namespace epic::cluster {

struct SupervisorError {
  std::string message;        // what and why, with the path or node in question
  std::string hint;           // how to fix it; may be empty
  std::filesystem::path log;  // where to find more; may be empty
};

inline SupervisorError error_of(const files::Refusal& refusal) { return {refusal.message, refusal.hint, {}}; }

}  // namespace epic::cluster
