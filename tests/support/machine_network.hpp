#pragma once
// MachineNetwork: machines with addresses of their own on this host, each a network namespace, whose links are cut for
// real. A process of the test enters one; where it does not, it is the host that the database runs on.
//
// Each two of them are connected by a pair of veth devices, so that a cut concerns one direction between two machines
// and nothing else. What is sent in a direction that is cut is lost without a trace, as on a network.
//
// Only root can make it: see why_not().

#include <cstddef>
#include <string>
#include <vector>

namespace epic::test {

class MachineNetwork {
 public:
  /// The host itself; machines are counted from 1.
  static constexpr std::size_t kHost = 0;

  /// Why there can be none here, as a sentence; empty: there can.
  [[nodiscard]] static std::string why_not();

  explicit MachineNetwork(std::size_t machines);
  MachineNetwork(const MachineNetwork&) = delete;
  MachineNetwork& operator=(const MachineNetwork&) = delete;
  ~MachineNetwork();

  [[nodiscard]] std::string address(std::size_t machine) const;
  /// The calling thread is on that machine from now on, with the threads and processes that it makes.
  void enter(std::size_t machine) const;

  /// What `from` sends to `to` gets lost.
  void cut(std::size_t from, std::size_t to) const;
  void cut_both_ways(std::size_t one, std::size_t other) const;
  /// From and to all others, the host included.
  void isolate(std::size_t machine) const;
  /// All that was cut.
  void heal() const;

 private:
  void remove() const;
  [[nodiscard]] std::string space(std::size_t machine) const;
  [[nodiscard]] std::string device(std::size_t of, std::size_t to) const;
  [[nodiscard]] std::string on(std::size_t machine, const std::string& command) const;

  std::size_t machines_;
  unsigned number_;  // of this process, in names and addresses
  unsigned one_of_process_;
};

}  // namespace epic::test
