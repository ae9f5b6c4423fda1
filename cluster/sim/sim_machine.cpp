#include "cluster/sim/sim_machine.hpp"

#include <fmt/format.h>

#include <utility>

#include "cluster/supervisor/machine_stream.hpp"

namespace epic::cluster::sim {

namespace {

using namespace std::chrono_literals;

constexpr nanoseconds kSaidEvery = 20ms;  // how often is looked whether all was said
constexpr nanoseconds kLastWords = 1s;

}  // namespace

SimMachine::SimMachine(Parts parts)
    : host_(parts.surroundings, parts.node_drift_ppm_max),
      network_(parts.surroundings.network),
      clock_(std::make_shared<MachineClock>(MachineClock{.drift_ppm = parts.boot_drift_ppm})),
      on_end_(std::move(parts.on_end)),
      session_(parts.coordination.connect(host_)),
      medium_(network_.make_medium(host_, parts.place)) {
  const std::string address = fmt::format("machine-{}:{}", parts.place, kMachinePort);
  host_.set_machine(clock_);
  supervisor_ = std::make_unique<MachineSupervisor>(
      MachineSupervisor::Parts{.host = host_,
                               .options = parts.options,
                               .paths = parts.paths,
                               .logs = parts.logs,
                               .modules = parts.modules,
                               .open_store = [&disk = parts.surroundings.disk] { return disk.open(); },
                               .coordination = *session_,
                               .coordination_name = "the simulated service",
                               .machine = fmt::format("machine-{}-{}", parts.place, host_.process_id()),
                               .address = address,
                               .connect = [this](const std::string& address) { return connect(address); },
                               .on_end = [this](int) { end_when_said(host_.world().now_ns() + kLastWords.count()); }});
  const auto listening = medium_->listen(address, [this](auto stream) {
    if (stream)
      supervisor_->accept(
          std::make_shared<StreamLink<protocol::FromMachine, protocol::ToMachine>>(*std::move(stream), poster()));
  });
  EPIC_ASSERT(listening.has_value(), "a simulated machine cannot listen: {}", listening.error());
  host_.post([this] { supervisor_->start(); });
}

SimMachine::~SimMachine() {
  network_.on_process_gone(host_.process_id());
  medium_.reset();
  supervisor_.reset();
}

std::shared_ptr<LinkToLeader> SimMachine::connect(const std::string& address) {
  auto stream = medium_->dial(address);
  if (!stream) return nullptr;
  return std::make_shared<StreamLink<protocol::ToMachine, protocol::FromMachine>>(*std::move(stream), poster());
}

void SimMachine::end_when_said(std::int64_t give_up_at_ns) {
  if (supervisor_->has_said_all() || host_.world().now_ns() >= give_up_at_ns) return on_end_();
  host_.after(kSaidEvery, fingerprint_of("last words"), [this, give_up_at_ns] { end_when_said(give_up_at_ns); });
}

void SimMachine::pause() {
  host_.pause();
  for (SimNode* const node : host_.list_nodes()) node->pause();
}

void SimMachine::go_on(nanoseconds paused_for, Clock clock) {
  if (clock == Clock::misses) clock_->uncounted += paused_for;
  for (SimNode* const node : host_.list_nodes()) node->go_on();
  host_.go_on();
}

}  // namespace epic::cluster::sim
