#include "cluster/supervisor/node_exit.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <string.h>

namespace epic::cluster {

std::string ProcessEnd::text() const {
  if (signal == 0) return fmt::format("exited with code {}", exit_code);
  const char* name = ::sigabbrev_np(signal);
  return name ? fmt::format("was killed by signal {} (SIG{})", signal, name)
              : fmt::format("was killed by signal {}", signal);
}

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
    case Reason::cut_short:
      return "the stop was cut short by a second signal";
  }
  return {};
}

std::string NodeExit::text() const {
  return killed_for ? fmt::format("{} ({})", end.text(), killed_for->text()) : end.text();
}

}  // namespace epic::cluster
