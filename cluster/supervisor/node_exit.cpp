#include "cluster/supervisor/node_exit.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <signal.h>
#include <string.h>

#include <algorithm>
#include <array>

namespace epic::cluster {

std::string ProcessEnd::text() const {
  if (is_lost) return "was lost with its machine";
  if (signal == 0) return fmt::format("exited with code {}", exit_code);
  const char* name = ::sigabbrev_np(signal);
  return name ? fmt::format("was killed by signal {} (SIG{})", signal, name)
              : fmt::format("was killed by signal {}", signal);
}

namespace {

/// They come from the code that runs. Others may be sent by anybody.
constexpr std::array kFaultSignals{SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};

}  // namespace

std::string KillCause::text() const {
  switch (reason) {
    case Reason::silent:
      return fmt::format("has been silent for more than {}", limit);
    case Reason::turn_max:
      return fmt::format("has been in one turn for {}, which nothing else on it can interrupt", limit);
    case Reason::not_ready:
      return fmt::format("was not ready within {}", limit);
    case Reason::bad_message:
      return fmt::format("sent {}", detail);
    case Reason::unread:
      return "does not read its messages";
    case Reason::cut_off:
      return "has closed its connection to the supervisor, or runs another program";
    case Reason::wrong_version:
      return "has another version";
    case Reason::no_member:
      return fmt::format("could not become a member: {}", detail);
    case Reason::asked_for:
      return "requested with 'epic kill'";
    case Reason::not_wanted:
      return "no longer wanted";
    case Reason::not_stopped:
      return "had not stopped in time";
    case Reason::not_started:
      return "the fabric could not start";
    case Reason::store_damaged:
      return "no node can go on with the store as it is";
    case Reason::cut_short:
      return "the stop was cut short by a second signal";
  }
  return {};
}

bool NodeExit::concerns(const Crash& crash) const {
  if (!killed_for) return true;
  if (killed_for->is_blameless()) return false;
  const bool is_for_its_turn = killed_for->reason == KillCause::Reason::turn_max ||
                               killed_for->reason == KillCause::Reason::not_stopped ||
                               killed_for->reason == KillCause::Reason::cut_off;
  return is_for_its_turn || crash.source != Crash::Source::turn;
}

bool NodeExit::counts_against(const Crash& crash) const {
  // A turn that is cut short only because the node has to leave says nothing against its entity.
  if (!concerns(crash) || (killed_for && killed_for->reason == KillCause::Reason::not_stopped)) return false;
  if (crash.source != Crash::Source::turn || killed_for || end.signal == 0) return true;
  return std::ranges::find(kFaultSignals, end.signal) != kFaultSignals.end();
}

std::string NodeExit::text() const {
  return killed_for ? fmt::format("{} ({})", end.text(), killed_for->text()) : end.text();
}

}  // namespace epic::cluster
