// The links to a machine's supervisor: of other machines while it leads, and of guests.

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <utility>

#include "cluster/supervisor/machine_supervisor.hpp"

namespace epic::cluster {

void MachineSupervisor::accept(const std::shared_ptr<LinkToMachine>& link) {
  // Shared with the events of the link: the machine and its link's number, once it has greeted.
  auto name = std::make_shared<std::string>();
  auto number = std::make_shared<Machines::LinkNumber>();
  const std::weak_ptr<LinkToMachine> self = link;
  links_.add(link);
  link->start({.on_message =
                   [this, name, number, self](const protocol::FromMachine& message) {
                     const auto link = self.lock();
                     links_.on_message(*link);
                     const auto* const hello = std::get_if<protocol::Hello>(&message);
                     if (name->empty() && try_answer(message, link)) return;
                     if (exit_code_ && dismissal_ && hello != nullptr) return link->send(*dismissal_);
                     if (!machines_ || exit_code_ || (hello != nullptr) != name->empty()) return drop(*link);
                     if (const auto* const unreached = std::get_if<protocol::Unreached>(&message))
                       return partitions_.report(*name, unreached->machines, host_.now());
                     if (hello == nullptr) return machines_->on_message(*name, *number, message);
                     const auto greeted = machines_->greet(*hello, [self](const protocol::ToMachine& answer) {
                       if (const auto open = self.lock()) open->send(answer);
                     });
                     if (!greeted) return drop(*link);  // it tries again
                     *name = hello->machine;
                     *number = *greeted;
                     links_.on_greeted(*link);
                     begin_if_complete();
                   },
               .on_closed =
                   [this, name, number, self] {
                     if (self.lock()->is_garbled()) ++refused_links_.damaged;
                     if (machines_ && !name->empty()) machines_->on_link_lost(*name, *number);
                     drop(*self.lock());
                   },
               .on_room = [this] { on_room(); }});
}

void MachineSupervisor::drop(const LinkToMachine& link) {
  guests_.on_closed(link);
  if (const auto last = links_.remove(link)) last->close();  // it may be the one that is calling
}

void MachineSupervisor::drop_silent(std::chrono::nanoseconds passed) {
  std::size_t count = 0;
  for (const OpenLinks::Silent& silent : links_.tick(passed)) {
    silent.link->close();
    if (!silent.has_spoken) ++count;
  }
  if (count == 0) return;
  refused_links_.slow += count;
  say(protocol::LogLevel::warn,
      fmt::format("Connections that had proved the secret and then said nothing for {}, and were ended: {}.",
                  OpenLinks::kSilenceMax, count));
}

/// What a guest asks for. One that does not read what it gets is not a guest any more.
bool MachineSupervisor::try_answer(const protocol::FromMachine& message, const std::shared_ptr<LinkToMachine>& link) {
  if (exit_code_) return false;
  if (guests_.try_take(message, link)) {
    if (guests_.contains(*link)) links_.on_greeted(*link);
    return true;
  }
  if (!link->is_sent()) return false;
  if (std::holds_alternative<protocol::SettingsWanted>(message)) {
    const ModuleCopy* const copy = modules_.newest();
    link->send(protocol::Settings{.version = options_.version,
                                  .architecture = std::string(kArchitecture),
                                  .manifest = options_.manifest,
                                  .module = copy == nullptr ? std::string() : copy->digest,
                                  .speaks = protocol::kSpoken});
    return true;
  }
  if (std::holds_alternative<protocol::ReachWanted>(message)) {
    link->send(protocol::Reached{.refused = count_refused()});
    return true;
  }
  const auto* const wanted = std::get_if<protocol::ModuleWanted>(&message);
  if (wanted != nullptr) link->send(modules_.read(*wanted));
  return wanted != nullptr;
}

protocol::control::Refused MachineSupervisor::count_refused() const {
  auto refused = count_refused_at_port_ ? count_refused_at_port_() : protocol::control::Refused();
  refused.slow += refused_links_.slow;
  refused.damaged += refused_links_.damaged;
  return refused;
}

std::vector<protocol::control::Ps::Machine> MachineSupervisor::list_machines() const {
  auto refused = reach_.list_refused();
  refused[machine_] = count_refused();
  std::vector<protocol::control::Ps::Machine> machines;
  for (const auto& [machine, counts] : refused) machines.push_back({machine, counts});
  return machines;
}

}  // namespace epic::cluster
