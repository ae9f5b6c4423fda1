#pragma once
// NodeExit: how and why the process of a node ended, as values.
//
// Whether a node is started again, whether it counts as crashed, and whether its state may be unsaved is decided on
// these; text is made from them last, for people.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace epic::cluster {

/// How a process ended, as the kernel of its machine reports it.
struct ProcessEnd {
  int exit_code = 0;
  int signal = 0;        // 0: it exited by itself
  bool is_lost = false;  // with its machine, and nothing else is known
  /// "exited with code 3", "was killed by signal 9 (SIGKILL)".
  [[nodiscard]] std::string text() const;
};

/// Why the supervisor killed a process.
struct KillCause {
  enum class Reason : std::uint8_t {
    silent,         // no heartbeat for `limit`
    turn_max,       // one turn ran for `limit`
    not_ready,      // not ready within `limit`
    bad_message,    // it sent what cannot be decoded
    unread,         // it does not read what it is sent
    cut_off,        // it has closed its connection to us, and lives on
    wrong_version,  // of epic
    no_member,      // coordination did not take it in
    asked_for,      // by `epic kill`
    not_wanted,     // `scale` or `drain` overtook its start
    not_stopped,    // when it had to
    not_started,    // the fabric it belongs to
    store_damaged,  // so that no node can go on
    cut_short,      // the stop, by a second signal
  };
  Reason reason;
  std::chrono::milliseconds limit{0};
  std::string detail = {};  // of bad_message and no_member
  /// It says nothing about the node.
  [[nodiscard]] bool is_blameless() const {
    return reason == Reason::asked_for || reason == Reason::not_wanted || reason == Reason::not_started ||
           reason == Reason::store_damaged || reason == Reason::cut_short;
  }
  /// "has been silent for more than 5000ms".
  [[nodiscard]] std::string text() const;
};

/// What a node was doing when it died. Only its own last act knows the frames, and not on a stack so damaged that it
/// could not be read.
struct Crash {
  enum class Source : std::uint8_t {
    last_act,   // of the node: a signal that the entity's code has raised, exit() …
    long_turn,  // what it was running, and had been for a while
    turn,       // what it was running
  };
  std::string entity;  // "Type/Key" as in the store
  std::string method;
  std::vector<std::string> frames;  // "Bomb::poke() [clone .resume]+0x1f (arena-1.so)", innermost first
  Source source = Source::last_act;
  /// "Bomb/x.poke".
  [[nodiscard]] std::string place() const { return method.empty() ? entity : entity + "." + method; }
};

struct NodeExit {
  ProcessEnd end;
  std::optional<KillCause> killed_for = std::nullopt;  // empty: the supervisor did not kill it
  [[nodiscard]] bool is_orderly() const { return end.signal == 0 && end.exit_code == 0; }
  /// What was running has to do with this end. False: the process was killed for something else.
  [[nodiscard]] bool concerns(const Crash& crash) const;
  /// It is the deed of the entity that was running, by all that is known. SIGKILL in a short turn says nothing: a
  /// person or a test that kills nodes hits a busy entity every time, while one that sends it to itself is known by the
  /// node's last act, and one that uses up the memory by its long turn.
  [[nodiscard]] bool counts_against(const Crash& crash) const;
  /// "was killed by signal 9 (SIGKILL) (has been silent for more than 5000ms)".
  [[nodiscard]] std::string text() const;
};

}  // namespace epic::cluster
