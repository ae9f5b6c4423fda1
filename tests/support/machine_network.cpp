#include "support/machine_network.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>

namespace epic::test {

namespace {

int run_shell(const std::string& script) { return std::system(script.c_str()); }

/// Processes of the one before may not have ended yet, and keep its devices.
unsigned count_one() {
  static unsigned count = 0;
  return ++count % 100;
}

void must_run(const std::string& script) {
  if (run_shell("set -e\n" + script) != 0) throw std::runtime_error("a network of machines: this failed: " + script);
}

}  // namespace

std::string MachineNetwork::why_not() {
  if (::geteuid() != 0) return "Machines with addresses of their own need root.";
  if (run_shell("command -v ip >/dev/null && command -v tc >/dev/null") != 0)
    return "Machines with addresses of their own need the package iproute2.";
  const std::string name = fmt::format("epic-try-{}", ::getpid());
  const std::string is_possible = fmt::format(
      "ip netns add {0} 2>/dev/null && ip -n {0} link add one type veth peer name two 2>/dev/null && "
      "tc -n {0} qdisc add dev one root tbf rate 8bit burst 1 limit 1 2>/dev/null",
      name);
  const bool is_there = run_shell(is_possible) == 0;
  run_shell(fmt::format("ip netns del {} 2>/dev/null", name));
  return is_there ? "" : "This host lets nobody make network namespaces whose links can be cut.";
}

MachineNetwork::MachineNetwork(std::size_t machines)
    : machines_(machines), number_(static_cast<unsigned>(::getpid()) % 60'000), one_of_process_(count_one()) {
  std::string script;
  for (std::size_t one = 1; one <= machines_; ++one) script += fmt::format("ip netns add {}\n", space(one));
  for (std::size_t one = 0; one <= machines_; ++one) {
    if (one != kHost) script += on(one, "ip link set lo up");
    script += on(one, fmt::format("ip address add {}/32 dev lo", address(one)));
  }
  for (std::size_t one = 0; one <= machines_; ++one)
    for (std::size_t other = one + 1; other <= machines_; ++other) {
      script += fmt::format("ip link add {} netns {} type veth peer name {} netns {}\n", device(one, other),
                            one == kHost ? "1" : space(one), device(other, one), space(other));
      for (const auto& [from, to] : {std::pair(one, other), std::pair(other, one)}) {
        script += on(from, fmt::format("ip link set {} up", device(from, to)));
        script +=
            on(from, fmt::format("ip route add {}/32 dev {} src {}", address(to), device(from, to), address(from)));
      }
    }
  try {
    must_run(script);
  } catch (...) {
    remove();
    throw;
  }
}

MachineNetwork::~MachineNetwork() { remove(); }

void MachineNetwork::remove() const {
  std::string script = fmt::format("ip address del {}/32 dev lo\n", address(kHost));
  for (std::size_t one = 1; one <= machines_; ++one)
    script += fmt::format("ip link del {}\nip netns del {}\n", device(kHost, one), space(one));
  run_shell("exec 2>/dev/null\n" + script);
}

std::string MachineNetwork::address(std::size_t machine) const {
  return fmt::format("10.{}.{}.{}", 16 + number_ / 250, number_ % 250, machine + 1);
}

std::string MachineNetwork::space(std::size_t machine) const {
  return fmt::format("epic-{}-{}-{}", number_, one_of_process_, machine);
}

std::string MachineNetwork::device(std::size_t of, std::size_t to) const {
  return fmt::format("e{}-{}-{}{}", number_, one_of_process_, of, to);
}

std::string MachineNetwork::on(std::size_t machine, const std::string& command) const {
  if (machine == kHost) return command + "\n";
  return fmt::format("ip netns exec {} {}\n", space(machine), command);
}

void MachineNetwork::enter(std::size_t machine) const {
  if (machine == kHost) return;
  const std::string path = "/run/netns/" + space(machine);
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0 || ::setns(descriptor, CLONE_NEWNET) != 0) throw std::runtime_error("cannot enter " + path);
  ::close(descriptor);
}

/// A bucket of no size lets nothing through.
void MachineNetwork::cut(std::size_t from, std::size_t to) const {
  must_run(on(from, fmt::format("tc qdisc replace dev {} root tbf rate 8bit burst 1 limit 1", device(from, to))));
}

void MachineNetwork::cut_both_ways(std::size_t one, std::size_t other) const {
  cut(one, other);
  cut(other, one);
}

void MachineNetwork::isolate(std::size_t machine) const {
  for (std::size_t other = 0; other <= machines_; ++other)
    if (other != machine) cut_both_ways(machine, other);
}

void MachineNetwork::heal() const {
  std::string script;
  for (std::size_t one = 0; one <= machines_; ++one)
    for (std::size_t other = 0; other <= machines_; ++other)
      if (one != other)
        script += on(one, fmt::format("tc qdisc del dev {} root 2>/dev/null || true", device(one, other)));
  must_run(script);
}

}  // namespace epic::test
