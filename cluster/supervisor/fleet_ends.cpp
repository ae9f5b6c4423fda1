// How processes of nodes end, and what follows.

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <signal.h>

#include <utility>

#include "cluster/supervisor/fleet.hpp"

namespace epic::cluster {

using kernel::NodeId;
using protocol::LogLevel;
using Kill = KillCause::Reason;

namespace {

std::string quote_frames(const std::optional<Crash>& crash) {
  std::string text;
  if (crash)
    for (const std::string& frame : crash->frames) text += "\n  at " + frame;
  return text;
}

std::string quote_lines(const std::deque<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += "\n  | " + line;
  return text;
}

}  // namespace

std::string Fleet::text_of(const protocol::StartFailed& refusal) {
  if (refusal.hint.empty()) return refusal.message;
  return refusal.message + (refusal.message.ends_with('.') ? " " : ". ") + refusal.hint;
}

void Fleet::kill(NodeSlot& slot, KillCause cause) {
  if (!slot.process || slot.kill_cause) return;
  slot.kill_cause = std::move(cause);
  say(LogLevel::error, fmt::format("{} {}: killing it.", slot.name, slot.kill_cause->text()));
  const bool is_in_a_turn = slot.kill_cause->reason == Kill::turn_max || slot.kill_cause->reason == Kill::not_stopped;
  if (!is_in_a_turn || !slot.process->try_signal(SIGQUIT)) return slot.process->kill();  // with a report if possible
  slot.timer.expires_after(kReportTimeout, [&slot, killed = slot.incarnation] {
    if (slot.process && slot.incarnation == killed) slot.process->kill();
  });
}

/// Mostly it is about to end, which takes a while. Otherwise it runs another program by now, or is deaf.
void Fleet::on_cut_off(NodeSlot& slot) {
  if (slot.kill_cause) return;
  slot.timer.expires_after(kReportTimeout, [this, &slot, cut_off = slot.incarnation] {
    if (slot.process && slot.incarnation == cut_off) kill(slot, {.reason = Kill::cut_off});
  });
}

void Fleet::on_end(NodeSlot& slot, ProcessEnd end) {
  slot.timer.cancel();
  const std::unique_ptr<NodeProcess> ended = std::move(slot.process);
  const NodeState before = std::exchange(slot.state, NodeState::stopped);
  if (machines_ == nullptr) host_.remove_socket(slot.socket);  // otherwise its machine does
  slot.heartbeat = {};
  slot.is_paused = false;
  slot.last_exit = NodeExit{end, slot.kill_cause};
  auto crash = ended->read_crash();
  if (crash && !slot.last_exit->concerns(*crash)) crash.reset();
  slot.crashed_in = crash ? crash->place() : std::string();
  if (const std::uint64_t lost = ended->count_lost_lines(); lost > 0)
    say(LogLevel::warn, fmt::format("{} ended before it had written its log: {} lost.", slot.name,
                                    lost == 1 ? "1 line is" : fmt::format("{} lines are", lost)));
  const bool is_its_own_deed = crash && crash->source == Crash::Source::last_act;
  const bool is_from_outside = slot.last_exit->end.signal == SIGKILL && !slot.kill_cause && !is_its_own_deed;

  const bool is_in_order = (is_stopping_ || before == NodeState::draining) && slot.last_exit->is_orderly();
  const bool is_wanted_end = is_in_order || (before == NodeState::starting && !slot.is_wanted);
  const std::string lines = is_wanted_end || slot.refusal ? std::string() : quote_lines(slot.last_lines);
  // What keeps the whole fabric from starting is reported as its end, once, and not again for each node.
  const bool is_told_as_end =
      (slot.refusal && slot.refusal->ends_fabric) || (!is_started_ && (slot.refusal || is_stopping_));
  const auto tell = [&](std::string message) {
    protocol::LogLine line{host_.wall_now(), "supervisor", LogLevel::error, "", std::move(message)};
    is_told_as_end ? logs_.keep(std::move(line)) : logs_.add(std::move(line));
  };
  if (is_wanted_end)
    say(LogLevel::info, fmt::format("{} has stopped.", slot.name));
  else if (slot.refusal)
    tell(fmt::format("{} cannot {}: {}", slot.name, before == NodeState::starting ? "start" : "go on",
                     text_of(*slot.refusal)));
  else
    tell(fmt::format("{} {}{}.{}{}{}", slot.name, slot.last_exit->text(),
                     crash ? " while it ran " + slot.crashed_in : "",
                     is_from_outside ? " epic did not send it; the kernel does when memory runs out." : "",
                     quote_frames(crash), lines.empty() ? "" : " Its last lines:" + lines));

  let_drained_leave();
  events_.on_exit(slot.id, crash);
  if (!slot.lease) return on_left(slot, before, is_wanted_end);
  slot.is_leaving = true;
  coordination_.revoke(*std::exchange(slot.lease, std::nullopt), [this, &slot, before, is_wanted_end](const auto&) {
    slot.is_leaving = false;
    on_left(slot, before, is_wanted_end);
  });
}

/// Its process has ended, and it is a member no more.
void Fleet::on_left(NodeSlot& slot, NodeState before, bool is_wanted_end) {
  const bool is_to_come_back = !is_stopping_ && slot.is_wanted && !is_wanted_end;
  // A ready node may still fail with the first shards that it takes.
  const bool is_blameless = slot.kill_cause && slot.kill_cause->is_blameless();
  const bool has_been_starting = before == NodeState::starting || (before == NodeState::ready && !is_started_);
  if (has_been_starting && is_to_come_back && !is_blameless) ++slot.failed_starts;
  if (is_to_come_back && (!is_started_ || slot.trial) && has_been_starting)
    on_end_before_started(slot, before);
  else if (is_to_come_back)
    restart_later(slot);
  events_.on_ended(slot.id);
}

void Fleet::on_end_before_started(NodeSlot& slot, NodeState before) {
  const auto log = logs_.file_of(slot.name);
  if (slot.refusal)
    return events_.on_cannot_start(
        slot.id, {fmt::format("{} cannot start: {}", slot.name, slot.refusal->message), slot.refusal->hint, log});
  // A process that exits has decided to, and would do so again; one that was killed may have had bad luck, and so may
  // one that was ready and fell silent.
  const bool is_refused = slot.kill_cause && before == NodeState::starting;
  const bool is_blameless = slot.kill_cause && slot.kill_cause->is_blameless();
  const bool is_hopeless = !is_blameless && (slot.last_exit->end.signal == 0 || is_refused);
  if (!is_hopeless && slot.failed_starts < kFirstStartAttemptsMax) return restart_later(slot);
  events_.on_cannot_start(
      slot.id, {fmt::format("{} {} while it was starting.{}", slot.name, slot.last_exit->text(),
                            slot.last_lines.empty() ? " It wrote nothing." : quote_lines(slot.last_lines)),
                "Run 'epic doctor' to check the installation, and 'epic build' to rebuild the module.", log});
}

void Fleet::restart_later(NodeSlot& slot) {
  const auto delay = slot.backoff.next_delay(slot.started_at, host_.now());
  slot.state = NodeState::backoff;
  ++slot.restarts;
  say(LogLevel::info, fmt::format("Restarting {} in {}.", slot.name, delay));
  slot.timer.expires_after(delay, [this, &slot] {
    if (slot.state == NodeState::backoff) start(slot);
  });
}

}  // namespace epic::cluster
