#pragma once
// Scripts: the files of completions/, compiled in.

#include <span>
#include <string_view>

namespace epic::cli {

struct CompletionScript {
  std::string_view shell;
  std::string_view text;
};

std::span<const CompletionScript> completion_scripts();

}  // namespace epic::cli
