#pragma once
// ModuleFetch: gets a copy of the module that this machine does not have from a supervisor that has it, by its digest.
//
// It has a link of its own for that, as a guest (protocol/machines.hpp), so that the messages of nodes do not wait
// behind the bytes. It asks for one part at a time, one module after the other.
//
// Not here: files and digests (module_copies.hpp).

#include <chrono>
#include <deque>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cluster/supervisor/host.hpp"
#include "cluster/supervisor/machine_link.hpp"
#include "cluster/supervisor/modules.hpp"

namespace epic::cluster {

/// Single-threaded.
class ModuleFetch {
 public:
  /// A link to the machine with this address, not started; null: nobody listens there.
  using Connect = std::function<std::shared_ptr<LinkToLeader>(const std::string& address)>;
  using Done = std::move_only_function<void(std::expected<ModuleCopy, SupervisorError>)>;
  static constexpr std::chrono::seconds kSilenceMax{10};  // from one part to the next

  ModuleFetch(Host& host, MachineModules& modules, Connect connect)
      : host_(host), modules_(modules), connect_(std::move(connect)) {}
  ModuleFetch(const ModuleFetch&) = delete;
  ModuleFetch& operator=(const ModuleFetch&) = delete;
  ~ModuleFetch() { end(); }

  /// `address`: of a supervisor that has it. `done` is called later, once, unless end() comes first.
  void get(const protocol::ModuleOrigin& origin, const std::string& address, Done done);
  /// Nobody waits any more.
  void end();

 private:
  struct Job {
    protocol::ModuleOrigin origin;
    std::string address;
    std::vector<Done> waiting;
  };

  void begin();
  void ask(std::uint64_t offset);
  void on_message(const protocol::ToMachine& message);
  void finish(const std::expected<ModuleCopy, SupervisorError>& result);
  void fail(std::string why);

  Host& host_;
  MachineModules& modules_;
  Connect connect_;
  std::deque<Job> jobs_;  // the first is under way
  std::shared_ptr<LinkToLeader> link_;
  Timer silence_{host_};
};

}  // namespace epic::cluster
