#include "cli/project/former_module.hpp"

#include <system_error>

namespace epic::cli {
namespace fs = std::filesystem;

FormerModule::FormerModule(fs::path module) : module_(std::move(module)), copy_(module_.string() + ".former") {
  std::error_code error;
  const auto changed_at = fs::last_write_time(module_, error);
  if (error || !fs::copy_file(module_, copy_, fs::copy_options::overwrite_existing, error)) return;
  fs::last_write_time(copy_, changed_at, error);
  is_kept_ = !error;
}

FormerModule::~FormerModule() {
  std::error_code ignored;
  fs::remove(copy_, ignored);
}

void FormerModule::restore() {
  std::error_code ignored;
  if (is_kept_)
    fs::rename(copy_, module_, ignored);
  else
    fs::remove(module_, ignored);
}

}  // namespace epic::cli
