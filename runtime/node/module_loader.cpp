#include "node/module_loader.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <string>

#include "node/module_abi.hpp"

namespace epic::node {

namespace {

constexpr const char* kBuildHint = "Run 'epic build'.";

}  // namespace

std::expected<const ModuleInfo*, ModuleError> load_module(const std::filesystem::path& path) {
  const auto abi = read_module_abi(path);
  if (!abi) return std::unexpected(ModuleError{abi.error(), kBuildHint});
  if (*abi != EPIC_ABI_TAG)
    return std::unexpected(ModuleError{fmt::format("the module {} was built for {}, but this is {}", path.string(),
                                                   abi->empty() ? "an unknown version of epic" : *abi, EPIC_ABI_TAG),
                                       "Run 'epic build' to build it against the installed version."});
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const std::string why = ::dlerror();
    return std::unexpected(
        ModuleError{"cannot load the module: " + why,
                    why.contains("undefined symbol")
                        ? "It is declared and used, but not defined: define it, or link the library that does."
                        : kBuildHint});
  }
  using ModuleFn = const ModuleInfo* (*)();
  const auto module = reinterpret_cast<ModuleFn>(::dlsym(library, "epic_module"));
  if (module == nullptr)
    return std::unexpected(
        ModuleError{fmt::format("{} is not an epic module: it has no EPIC_MODULE(…)", path.string()), kBuildHint});
  const ModuleInfo* const info = module();
  for (const EntityInfoFn make_tables : info->entities) (void)make_tables();  // refs find their class from here on
  return info;
}

}  // namespace epic::node
