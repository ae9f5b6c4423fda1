#include "cluster/supervisor/leased_nodes.hpp"

#include <utility>

namespace epic::cluster {

class LeasedNodes::Process final : public NodeProcess {
 public:
  Process(LeasedNodes& nodes, std::unique_ptr<NodeProcess> process) : nodes_(nodes), process_(std::move(process)) {}
  ~Process() override { std::erase(nodes_.configured_, this); }

  [[nodiscard]] pid_t pid() const override { return process_->pid(); }
  [[nodiscard]] bool try_send(const protocol::ToNode& message) override {
    const auto* const configure = std::get_if<protocol::Configure>(&message);
    if (configure == nullptr) return process_->try_send(message);
    protocol::Configure leased = *configure;
    leased.has_lease = true;
    if (!process_->try_send(std::move(leased))) return false;
    nodes_.configured_.push_back(this);
    if (nodes_.valid_until_) renew(*nodes_.valid_until_);
    return true;
  }
  [[nodiscard]] bool try_signal(int number) override { return process_->try_signal(number); }
  void kill() override { process_->kill(); }
  [[nodiscard]] std::expected<std::string, std::string> crash_memory() const override {
    return process_->crash_memory();
  }
  [[nodiscard]] std::optional<Crash> read_crash() const override { return process_->read_crash(); }
  [[nodiscard]] std::uint64_t count_lost_lines() const override { return process_->count_lost_lines(); }

  /// One that has not read for so long is in no state to run: it goes without.
  void renew(protocol::BootTime valid_until) {
    static_cast<void>(process_->try_send(protocol::Lease{valid_until.time_since_epoch()}));
  }

 private:
  LeasedNodes& nodes_;
  std::unique_ptr<NodeProcess> process_;
};

std::unique_ptr<NodeProcess> LeasedNodes::adopt(std::unique_ptr<NodeProcess> process) {
  return std::make_unique<Process>(*this, std::move(process));
}

void LeasedNodes::on_renewed(protocol::BootTime valid_until) {
  valid_until_ = valid_until;
  for (Process* const process : configured_) process->renew(valid_until);
}

}  // namespace epic::cluster
