// Calls that wait for each other in a ring: through locks of entities, here and on other nodes.
//
// A call that has waited kDeadlockSuspicion for a lock is followed to whatever it waits for: to the calls that hold the
// lock, from each to the calls that it has made itself, and from these to the locks that they wait
// for. Where a call was sent to another node, the path so far goes there as a probe and is continued. A path that comes
// back to its first call is a ring, and as every step waits for its next one, nothing in it can ever move. (Edge
// chasing as in Chandy, Misra and Haas, "Distributed deadlock detection", 1983.)
//
// Every member of a ring that waits for a lock finds it, and by the same rule the same victim: the one that came last.
// So only that one fails, by its own node, which then tells the others' nodes what happened.
//
// A call that ends by its deadline while a probe is on its way can make a ring of what was none any more; then a call
// gets Deadlock that might have waited. It has not started, so it can be made again.

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_map>

#include "kernel/errors.hpp"
#include "kernel/kernel.hpp"

namespace epic::kernel {

namespace {

std::string text_of(const WaitLink& link) {
  return link.method.empty() ? link.entity : link.entity + "." + link.method;
}

/// "A.take on node-1 waits for the lock of A, held by A.give on node-1, which waits for B.take on node-2 …"
std::string describe_ring(const std::vector<WaitLink>& ring) {
  std::string text;
  for (std::size_t i = 0; i < ring.size(); ++i) {
    const WaitLink& link = ring[i];
    const WaitLink& next = ring[(i + 1) % ring.size()];
    if (i == 0) text = fmt::format("{} on node-{}", text_of(link), link.node);
    if (link.locked_out_since_ns == 0)
      text += ", which waits for ";
    else if (next.entity == link.entity)
      text += fmt::format("{} waits for the lock of {}, which goes to ", i == 0 ? "" : ", which", link.entity);
    else
      text += " waits for ";
    text += i + 1 == ring.size() ? "the first" : fmt::format("{} on node-{}", text_of(next), next.node);
  }
  return text;
}

const WaitLink& victim_of(const std::vector<WaitLink>& ring) {
  return *std::ranges::max_element(ring, {},
                                   [](const WaitLink& link) { return std::pair(link.locked_out_since_ns, link.id); });
}

}  // namespace

/// Who has made which calls that have not ended; and the calls of other nodes, by name. Made once for all that is
/// followed at one time. Nothing in it goes away meanwhile: whoever follows it keeps what is suspected.
struct Kernel::WaitGraph {
  explicit WaitGraph(const Kernel& kernel) {
    kernel.calls_.for_each([&](const Record& record) {
      if (record.caller != nullptr) made_by.emplace(record.caller, &record);
      if (record.site != nullptr && record.site->from.life != 0) from_peers.emplace(record.site->id, &record);
    });
  }
  std::unordered_multimap<const Record*, const Record*> made_by;
  std::map<CallId, const Record*> from_peers;
};

struct Kernel::Probing {
  const WaitGraph& graph;
  std::size_t& sends_left;
  std::vector<WaitLink> path;
  std::set<CallId> seen;  // each call once, by whichever way it was reached first
};

void Kernel::suspect(RecordRef record) {
  suspects_.emplace_back(now_ns_ + limits::kDeadlockSuspicion.count(), std::move(record));
}

/// Follows those that have waited for long, and the probes that have come.
void Kernel::probe() {
  std::vector<RecordRef> due;
  for (; !suspects_.empty() && suspects_.front().first <= now_ns_; suspects_.pop_front())
    if (suspects_.front().second->state == Record::State::locked_out)
      due.push_back(std::move(suspects_.front().second));
  const std::vector<ProbeMessage> probes = std::exchange(probes_, {});
  if (due.empty() && probes.empty()) return;

  const WaitGraph graph(*this);
  std::size_t sends_left = limits::kProbesMax;
  for (const RecordRef& record : due) {
    if (record->state != Record::State::locked_out) continue;  // the victim of a ring that was found just now
    Probing probing{graph, sends_left, {}, {}};
    follow(probing, *record);
    if (record->state == Record::State::locked_out) suspect(record);
  }
  for (const ProbeMessage& message : probes) {
    const auto target = graph.from_peers.find(message.target);
    if (target == graph.from_peers.end() || !target->second->is_listed) continue;  // it has ended meanwhile
    Probing probing{graph, sends_left, message.path, {}};
    follow(probing, *target->second);
  }
}

void Kernel::follow(Probing& probing, const Record& record) {
  const CallId id = id_of(record);
  if (record.state == Record::State::sent) {  // goes on where it waits or runs, which may be where the path began
    if (probing.sends_left == 0 || !probing.seen.insert(id).second) return;
    --probing.sends_left;
    return syscalls_.send(record.site->sent_to, ProbeMessage{id, probing.path});
  }
  if (!probing.path.empty() && probing.path.front().id == id) return resolve(probing.path);
  if (probing.path.size() >= limits::kChainLengthMax || !probing.seen.insert(id).second) return;
  const Activation* activation = activation_of(&record);
  WaitLink link{.id = id,
                .entity = record.callee            ? shown(record.callee)
                          : record.site != nullptr ? record.site->label
                                                   : std::string("task"),
                .method = record.method != nullptr ? std::string(record.method->name) : std::string(),
                .node = options_.self.node};
  if (record.state == Record::State::locked_out) {
    const auto since_ns = activation == nullptr ? std::nullopt : activation->lock.find_waiting_since(record);
    if (!since_ns) return;
    link.locked_out_since_ns = *since_ns;
    probing.path.push_back(std::move(link));
    std::vector<RecordRef> ahead;  // a victim may be among them, which changes the lock
    activation->lock.for_each_blocking(record, [&](Record& one) { ahead.push_back(RecordRef::share(one)); });
    for (const RecordRef& one : ahead)
      if (record.state == Record::State::locked_out) follow(probing, *one);
    probing.path.pop_back();
  } else if (record.state == Record::State::running || record.is_abandoned) {
    probing.path.push_back(std::move(link));
    const auto [begin, end] = probing.graph.made_by.equal_range(&record);
    for (auto made = begin; made != end; ++made)
      if (made->second->is_listed && made->second->caller == &record) follow(probing, *made->second);
    probing.path.pop_back();
  }
}

/// The first of the ring lives here. If it is the victim, it fails; otherwise the victim's node sees to it.
void Kernel::resolve(const std::vector<WaitLink>& ring) {
  const WaitLink& victim = victim_of(ring);
  if (victim.id != ring.front().id || victim.locked_out_since_ns == 0) return;
  Record* record = nullptr;
  calls_.for_each([&](Record& one) {
    if (one.state == Record::State::locked_out && id_of(one) == victim.id) record = &one;
  });
  if (record == nullptr) return;
  const DeadlockMessage deadlock{victim.id, ring};
  std::set<NodeId> nodes;
  for (const WaitLink& link : ring) nodes.insert(link.node);
  for (const NodeId node : nodes)
    if (const PeerAddress peer = routing_.address_of(node); node != options_.self.node && peer.life != 0)
      syscalls_.send(peer, deadlock);
  learn(deadlock);
  fail(*record, ErrorCode::deadlock,
       fmt::format("{} was not started, as these wait for each other: {}", text_of(victim), describe_ring(ring)));
}

/// For the log and the trail of each entity of ours that had a part in it.
void Kernel::learn(const DeadlockMessage& deadlock) {
  const std::string text = "calls waited for each other, and one had to fail: " + describe_ring(deadlock.ring);
  std::set<std::string_view> told;
  for (const WaitLink& link : deadlock.ring) {
    if (link.node != options_.self.node || !told.insert(link.entity).second) continue;
    syscalls_.log(LogLevel::warn, link.entity, text);
    if (const Activation* activation = activations_.find(types_.stored(link.entity)))
      tell(Happening::deadlocked, *activation, text, now_ns_);
  }
}

}  // namespace epic::kernel
