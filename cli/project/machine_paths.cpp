#include "cli/project/machine_paths.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cctype>
#include <cstdlib>

#include "files/private_files.hpp"

namespace epic::cli {
namespace fs = std::filesystem;
namespace {

bool is_held(const fs::path& directory) {
  const int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool is_free = ::flock(descriptor, LOCK_SH | LOCK_NB) == 0;
  ::close(descriptor);
  return !is_free;
}

std::string first_line(const fs::path& file) {
  const auto text = files::read_file(file);
  return text ? text->substr(0, text->find('\n')) : std::string();
}

}  // namespace

MachinePaths::MachinePaths(const fs::path& project_directory)
    : project(project_directory),
      root(project / ".epic" / "machines"),
      lock(root / "keeper.lock"),
      store(root / "store"),
      secret(root / "secret"),
      postgres(project / ".epic" / "postgres") {}

fs::path MachinePaths::directory(std::size_t machine) const {
  return machine == 0 ? project : root / std::string(1, static_cast<char>('a' + machine));
}

fs::path MachinePaths::log(std::size_t machine) const { return (machine == 0 ? root : directory(machine)) / "run.log"; }

std::string machine_letter(std::size_t machine) { return std::string(1, static_cast<char>('A' + machine)); }

std::optional<int> find_holder(const fs::path& lock) {
  if (!is_held(lock.parent_path())) return std::nullopt;
  const int pid = std::atoi(first_line(lock).c_str());
  return pid > 0 ? std::optional(pid) : std::nullopt;
}

std::optional<MachineKeeper> find_machine_keeper(const MachinePaths& paths) {
  const auto pid = find_holder(paths.lock);
  if (!pid) return std::nullopt;
  MachineKeeper keeper{.pid = *pid, .store = first_line(paths.store)};
  if (keeper.store.empty()) return std::nullopt;  // it is starting
  std::error_code error;
  for (keeper.count = 1; fs::exists(paths.directory(keeper.count), error);) ++keeper.count;
  return keeper;
}

Result<MachineKeeper> get_machine_keeper(const MachinePaths& paths) {
  if (auto keeper = find_machine_keeper(paths)) return *std::move(keeper);
  return fail({.code = ExitCode::not_found,
               .what = "no machines run for this project",
               .why = "only those that 'epic run --machines' has made of this computer can be cut off or killed",
               .help = {"start some with 'epic run --machines 3'"}});
}

Result<std::size_t> machine_named(const std::string& name, std::size_t count) {
  if (name.size() == 1) {
    const auto machine = static_cast<std::size_t>(std::toupper(static_cast<unsigned char>(name.front())) - 'A');
    if (machine < count) return machine;
  }
  return fail({.code = ExitCode::not_found,
               .what = fmt::format("there is no machine {}", name),
               .help = {fmt::format("name one from A to {}", machine_letter(count - 1))}});
}

}  // namespace epic::cli
