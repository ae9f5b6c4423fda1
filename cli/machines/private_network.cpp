#include "cli/machines/private_network.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "cli/project/project.hpp"
#include "cli/project/subprocess.hpp"
#include "files/private_files.hpp"

namespace epic::cli {
namespace fs = std::filesystem;
namespace {

constexpr int kDatabaseHost = 254;
/// Of nobody, so what is sent there is received nowhere.
constexpr const char* kNobody = "02:00:00:00:00:00";
constexpr const char* kDevice = "eth0";

Result<void> run_ip(std::vector<std::string> arguments) {
  const auto end = EPIC_TRY(run_subprocess({.program = "ip", .arguments = std::move(arguments)}));
  if (end.exit_code == 0) return {};
  return fail({.what = "cannot change the network of the machines", .why = cause_of(end, "ip")});
}

/// `lines`: commands of ip, one a line; in that namespace, unless `name` is empty.
Result<void> run_ip_lines(const std::string& name, const std::string& lines, const fs::path& scratch) {
  const fs::path file = scratch / "ip.txt";
  if (const auto written = files::write_file(file, lines); !written) return fail(failure_of(written.error()));
  std::vector<std::string> arguments;
  if (!name.empty()) arguments = {"-n", name};
  arguments.insert(arguments.end(), {"-batch", file.string()});
  return run_ip(std::move(arguments));
}

}  // namespace

PrivateNetwork::PrivateNetwork(const fs::path& project)
    : prefix_(fmt::format("epic-{:08x}-", std::hash<std::string>()(project.string()) & 0xffffffffU)) {}

std::string PrivateNetwork::why_not() { return ::geteuid() == 0 ? "" : "only root may make network namespaces"; }

fs::path PrivateNetwork::file(const std::string& name) { return fs::path("/run/netns") / name; }

std::string PrivateNetwork::name_of(std::size_t machine) const { return fmt::format("{}{}", prefix_, machine); }

std::string PrivateNetwork::address(std::size_t machine) { return fmt::format("10.77.0.{}", machine + 1); }

std::string PrivateNetwork::database_address() { return fmt::format("10.77.0.{}", kDatabaseHost); }

std::string PrivateNetwork::addresses() { return "10.77.0.0/24"; }

bool PrivateNetwork::exists() const {
  std::error_code ignored;
  return fs::exists(database_place(), ignored);
}

Result<void> PrivateNetwork::make(std::size_t machines, const fs::path& scratch) const {
  remove();
  auto made = make_all(machines, scratch);
  if (!made) remove();
  return made;
}

Result<void> PrivateNetwork::make_all(std::size_t machines, const fs::path& scratch) const {
  std::string names = fmt::format("netns add {}\n", hub());
  std::string at_hub =
      fmt::format("link set lo up\nlink add bridge type bridge\nlink set bridge up\naddress add {}/24 dev bridge\n",
                  database_address());
  for (std::size_t machine = 0; machine < machines; ++machine) {
    names += fmt::format("netns add {0}\nlink add to-{1} netns {2} type veth peer name {3} netns {0}\n",
                         name_of(machine), machine, hub(), kDevice);
    at_hub += fmt::format("link set to-{} master bridge up\n", machine);
  }
  EPIC_TRY(run_ip_lines({}, names, scratch));
  EPIC_TRY(run_ip_lines(hub(), at_hub, scratch));
  for (std::size_t machine = 0; machine < machines; ++machine)
    EPIC_TRY(run_ip_lines(
        name_of(machine),
        fmt::format("link set lo up\naddress add {0}/24 dev {1}\nlink set {1} up\n", address(machine), kDevice),
        scratch));
  return {};
}

void PrivateNetwork::remove() const {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(file({}), ignored))
    if (std::string name = entry.path().filename(); name.starts_with(prefix_)) names.push_back(std::move(name));
  for (const std::string& name : names) static_cast<void>(run_ip({"netns", "delete", name}));
}

Result<void> PrivateNetwork::drop(const std::string& name, const std::string& address) const {
  const std::string device = name == hub() ? "bridge" : kDevice;
  return run_ip({"-n", name, "neighbour", "replace", address, "lladdr", kNobody, "dev", device, "nud", "permanent"});
}

Result<void> PrivateNetwork::cut(std::size_t from, std::size_t to) const { return drop(name_of(from), address(to)); }

Result<void> PrivateNetwork::cut_database(std::size_t machine) const {
  EPIC_TRY(drop(name_of(machine), database_address()));
  return drop(hub(), address(machine));
}

Result<void> PrivateNetwork::heal(std::size_t machine) const {
  EPIC_TRY(run_ip({"-n", name_of(machine), "neighbour", "flush", "dev", kDevice, "nud", "permanent"}));
  return run_ip({"-n", hub(), "neighbour", "flush", "to", address(machine), "dev", "bridge", "nud", "permanent"});
}

}  // namespace epic::cli
