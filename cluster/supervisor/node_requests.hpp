#pragma once
// NodeRequests: control requests in progress that only nodes can answer.
//
// A long answer arrives as fast as the client reads it: a node that waits for room gets it when the client has caught
// up.
//
// A request goes to the owner of an entity's shard, or to all nodes. One that meets a moving shard waits for the next
// map; one whose node dies fails if it may have had an effect, and is repeated otherwise. Each has a deadline, so each
// ends.
//
// Events in, messages out through `send`; no clock, no sockets.
//
// Not here: what verbs mean (control_verbs.cpp), the nodes' side.

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "kernel/ids.hpp"
#include "protocol/control_verb.hpp"
#include "protocol/supervision.hpp"

namespace epic::cluster {

using protocol::control::Repeat;

class NodeRequests {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  using Send = std::function<void(kernel::NodeId, const protocol::ToNode&)>;
  using FindOwner = std::function<std::optional<kernel::NodeId>(kernel::ShardId)>;
  /// Gets every part in order, and nothing after the one with `last`. A failure is {"message", "detail"}.
  using OnAnswer = std::function<void(const protocol::Answer&)>;

  enum class Room : std::uint8_t { yes, not_yet, nobody_reads };
  using HasRoom = std::function<Room()>;

  /// A node that has not begun to answer by then, of those that are all asked, is not waited for: it is blocked.
  static constexpr std::chrono::milliseconds kSilenceMax{1500};
  /// With this many requests in progress, further ones fail at once.
  static constexpr std::size_t kPendingMax = 4096;

  NodeRequests(Send send, FindOwner find_owner) : send_(std::move(send)), find_owner_(std::move(find_owner)) {}

  /// To the owner of `shard`, as soon as there is one before `deadline`.
  void to_owner(kernel::ShardId shard, std::string verb, std::string body, Repeat repeat, TimePoint deadline,
                OnAnswer on_answer);

  /// To each of `nodes`; parts arrive in any order, with one `last` at the end. A node that dies or fails ends its
  /// share of the answer, and its failure is passed on only if no node answered. If a node is silent, the end is a
  /// failure that names it. Without `has_room` there is always room.
  void to_all(const std::vector<kernel::NodeId>& nodes, const std::string& verb, const std::string& body,
              TimePoint deadline, OnAnswer on_answer, HasRoom has_room = {});

  void on_answer(kernel::NodeId node, const protocol::Answer& answer);
  /// `crashed_in`: the entity and method that it died in, if known.
  void on_left(kernel::NodeId node, std::string_view crashed_in = {});
  /// A shard has found its owner.
  void on_owners_changed();
  /// A reader has caught up.
  void on_room();
  void on_tick(TimePoint now);
  /// The fabric stops: ends everything.
  void fail_all(const std::string& message);

  [[nodiscard]] std::size_t count() const { return pending_.size(); }

 private:
  struct Pending {
    std::optional<kernel::ShardId> shard;  // empty: to_all
    std::string verb;
    std::string body;
    Repeat repeat;
    TimePoint deadline;
    OnAnswer on_answer;
    std::set<kernel::NodeId> asked;  // those that have not ended their answer
    bool is_answered = false;        // a part has been passed on
    std::optional<protocol::Answer> failure;
    HasRoom has_room = {};
    std::set<kernel::NodeId> held = {};       // wait for room before they continue
    std::set<kernel::NodeId> unheard = {};    // of `asked`, if all were, those that have not begun to answer
    std::vector<kernel::NodeId> silent = {};  // that were given up
    std::optional<TimePoint> asked_at = {};   // as of the first tick after it
  };
  using Entry = std::map<std::uint64_t, Pending>::iterator;

  void try_send(std::uint64_t id, Pending& pending);
  void let_go_on(std::uint64_t id, Pending& pending);
  void end(Entry entry, protocol::Answer last);
  void end_share(Entry entry, kernel::NodeId node, const protocol::Answer& answer);
  void give_up_silent(Entry entry, TimePoint now);

  Send send_;
  FindOwner find_owner_;
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, Pending> pending_;
};

/// {"message": …, "detail": …}, as in failed answers. `error` names the kind for scripts, as in epic::to_string().
[[nodiscard]] protocol::Answer make_failure(protocol::AnswerStatus status, std::string_view message,
                                            std::string_view error = {});

}  // namespace epic::cluster
