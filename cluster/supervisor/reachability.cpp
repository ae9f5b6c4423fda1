#include "cluster/supervisor/reachability.hpp"

#include <algorithm>
#include <utility>

namespace epic::cluster {

void Reachability::add(const std::string& machine, const std::string& address) {
  remove(machine);
  const bool is_first = peers_.empty();
  ask(machine, peers_.emplace(machine, Peer{.address = address}).first->second);
  if (!is_first) return;
  last_tick_ = host_.now();
  tick_.expires_after(kAskEvery, [this] { tick(); });
}

void Reachability::remove(const std::string& machine) {
  const auto found = peers_.find(machine);
  if (found == peers_.end()) return;
  close(found->second);
  peers_.erase(found);
}

void Reachability::end() {
  tick_.cancel();
  for (auto& [machine, peer] : peers_) close(peer);
  peers_.clear();
}

void Reachability::tick() {
  const auto now = host_.now();
  const std::chrono::nanoseconds passed =
      std::min<std::chrono::nanoseconds>(now - std::exchange(last_tick_, now), 2 * kAskEvery);
  for (auto& [machine, peer] : peers_) {
    peer.silence += passed;
    peer.asked_for += passed;
    // Those that follow the first link fail mostly because they were begun during a cut, and hide that it is healed.
    const auto answer_max = peer.silence >= kAnswerMax ? kAnswerMax / 2 : kAnswerMax;
    if (peer.is_asked && peer.asked_for >= answer_max) close(peer);
    if (!peer.is_asked) ask(machine, peer);
  }
  if (!peers_.empty()) tick_.expires_after(kAskEvery, [this] { tick(); });
}

void Reachability::ask(const std::string& machine, Peer& peer) {
  if (!peer.link) {
    peer.link = connect_(peer.address);
    if (!peer.link) return;
    peer.link->start({.on_message =
                          [this, machine](const protocol::ToMachine& message) {
                            const auto found = peers_.find(machine);
                            const auto* const reached = std::get_if<protocol::Reached>(&message);
                            if (found == peers_.end() || reached == nullptr) return;
                            found->second.refused = reached->refused;
                            found->second.is_asked = false;
                            found->second.has_answered = true;
                            found->second.silence = {};
                          },
                      .on_closed =
                          [this, machine] {
                            const auto found = peers_.find(machine);
                            if (found == peers_.end()) return;
                            found->second.link.reset();
                            found->second.is_asked = false;
                          }});
  }
  peer.is_asked = true;
  peer.asked_for = {};
  peer.link->send(protocol::ReachWanted{});
}

void Reachability::close(Peer& peer) {
  peer.is_asked = false;
  if (peer.link) std::exchange(peer.link, nullptr)->close();
}

std::vector<protocol::Unreached::Machine> Reachability::list_silent() const {
  std::vector<protocol::Unreached::Machine> silent;
  for (const auto& [machine, peer] : peers_)
    if (peer.silence >= kSilentAfter) silent.push_back({machine, peer.silence});
  return silent;
}

std::map<std::string, protocol::control::Refused> Reachability::list_refused() const {
  std::map<std::string, protocol::control::Refused> refused;
  for (const auto& [machine, peer] : peers_) refused.emplace(machine, peer.refused);
  return refused;
}

bool Reachability::reaches_all() const {
  return std::ranges::all_of(
      peers_, [](const auto& one) { return one.second.has_answered && one.second.silence < kSilentAfter; });
}

}  // namespace epic::cluster
