#include "cluster/supervisor/node_exit.hpp"

#include <signal.h>

#include <catch2/catch.hpp>

using namespace epic::cluster;

TEST_CASE("exit: only an exit with code 0 is orderly", "[cluster]") {
  CHECK(NodeExit{.end = {.exit_code = 0, .signal = 0}}.is_orderly());
  CHECK_FALSE(NodeExit{.end = {.exit_code = 3, .signal = 0}}.is_orderly());
  CHECK_FALSE(NodeExit{.end = {.exit_code = 0, .signal = 11}}.is_orderly());
}

TEST_CASE("exit: a kill for a reason outside of the node says nothing about it", "[cluster]") {
  using Reason = KillCause::Reason;
  for (const Reason reason : {Reason::asked_for, Reason::not_wanted, Reason::not_started, Reason::cut_short})
    CHECK(KillCause{.reason = reason}.is_blameless());
  for (const Reason reason : {Reason::silent, Reason::turn_max, Reason::not_ready, Reason::bad_message, Reason::unread,
                              Reason::wrong_version})
    CHECK_FALSE(KillCause{.reason = reason}.is_blameless());
}

TEST_CASE("exit: the text names the signal, and why the supervisor sent it", "[cluster]") {
  CHECK(NodeExit{.end = {.exit_code = 74, .signal = 0}}.text() == "exited with code 74");
  const KillCause silent{.reason = KillCause::Reason::silent, .limit = std::chrono::seconds(5)};
  CHECK(NodeExit{.end = {.exit_code = 0, .signal = 9}, .killed_for = silent}.text() ==
        "was killed by signal 9 (SIGKILL) (has been silent for more than 5000ms)");
}

TEST_CASE("exit: what counts against the entity that was running", "[cluster]") {
  using Reason = KillCause::Reason;
  using Source = Crash::Source;
  const auto counts = [](Source source, int signal, std::optional<Reason> reason = {}) {
    NodeExit exit{.end = {.exit_code = signal == 0 ? 3 : 0, .signal = signal}};
    if (reason) exit.killed_for = KillCause{.reason = *reason};
    return exit.counts_against({.entity = "Bomb/x", .method = "poke", .frames = {}, .source = source});
  };
  for (const int signal : {0, SIGTERM, SIGKILL, SIGSEGV}) CHECK(counts(Source::last_act, signal));
  for (const int signal : {0, SIGSEGV, SIGABRT}) CHECK(counts(Source::turn, signal));
  for (const int signal : {SIGKILL, SIGTERM, SIGALRM, SIGHUP}) {
    CHECK_FALSE(counts(Source::turn, signal));
    CHECK(counts(Source::long_turn, signal));
  }
  for (const Source source : {Source::last_act, Source::long_turn, Source::turn}) {
    CHECK(counts(source, SIGKILL, Reason::turn_max));
    CHECK(counts(source, SIGKILL, Reason::cut_off));
    CHECK_FALSE(counts(source, SIGKILL, Reason::asked_for));
    CHECK_FALSE(counts(source, SIGKILL, Reason::not_stopped));
    CHECK(counts(source, SIGKILL, Reason::silent) == (source != Source::turn));
  }
}
