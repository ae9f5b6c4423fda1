#include "kernel/calls/deadlock_probes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <span>

#include "kernel/limits.hpp"

namespace epic::kernel {

namespace {

std::string text_of(const WaitLink& link) {
  return link.method.empty() ? link.entity : link.entity + "." + link.method;
}

bool is_hook(const WaitLink& link) { return link.method == "on_activate" || link.method == "on_deactivate"; }

/// It may be made to fail: it has not started, and waits for a lock or a hook.
bool is_waiting(const Record& record) {
  return record.state == Record::State::locked_out || record.state == Record::State::loading;
}

/// Worth following: the first that waits for a lock, or a hook that runs.
bool is_suspect(const Record& record) {
  return record.state == Record::State::locked_out ||
         (record.site != nullptr && record.site->on_hook_end && record.state != Record::State::ended);
}

const WaitLink& victim_of(const std::vector<WaitLink>& ring) {
  return *std::ranges::max_element(ring, {},
                                   [](const WaitLink& link) { return std::pair(link.locked_out_since_ns, link.id); });
}

}  // namespace

/// "A.take on node-1 waits for the lock of A, held by A.give on node-1, which waits for B.take on node-2 …"
std::string describe_ring(const std::vector<WaitLink>& ring) {
  std::string text;
  for (std::size_t i = 0; i < ring.size(); ++i) {
    const WaitLink& link = ring[i];
    const WaitLink& next = ring[(i + 1) % ring.size()];
    if (i == 0) text = fmt::format("{} on node-{}", text_of(link), link.node);
    if (link.locked_out_since_ns == 0 || is_hook(next))
      text += ", which waits for ";
    else if (next.entity == link.entity)
      text += fmt::format("{} waits for the lock of {}, which goes to ", i == 0 ? "" : ", which", link.entity);
    else
      text += " waits for ";
    text += i + 1 == ring.size() ? "the first" : fmt::format("{} on node-{}", text_of(next), next.node);
  }
  return text;
}

/// Who has made which calls that have not ended; and the calls of other nodes, by name. Looked up once for all that is
/// followed at one time, if anything asks. Nothing in it goes away meanwhile: a victim is kept.
class DeadlockProbes::WaitGraph {
 public:
  explicit WaitGraph(const CallTable& calls) : calls_(calls) {}

  [[nodiscard]] std::span<const std::pair<const Record*, const Record*>> made_by(const Record& record) {
    look();
    const auto made = std::ranges::equal_range(made_, &record, {}, [](const auto& one) { return one.first; });
    return {made.begin(), made.end()};
  }
  [[nodiscard]] const Record* find_arrived(const CallId& id) {
    look();
    const auto found = arrived_.find(id);
    return found == arrived_.end() ? nullptr : found->second;
  }
  [[nodiscard]] bool has_looked() const { return has_looked_; }
  void keep(Record& victim) { victims_.push_back(RecordRef::share(victim)); }

 private:
  void look() {
    if (std::exchange(has_looked_, true)) return;
    calls_.for_each([&](const Record& record) {
      if (record.caller != nullptr) made_.emplace_back(record.caller, &record);
      if (record.site != nullptr && record.site->has_arrived()) arrived_.emplace(record.site->id, &record);
    });
    std::ranges::sort(made_, {}, [](const auto& one) { return std::pair(one.first, one.second->sequence); });
  }
  const CallTable& calls_;
  bool has_looked_ = false;
  std::vector<std::pair<const Record*, const Record*>> made_;  // caller and call
  std::map<CallId, const Record*> arrived_;
  std::vector<RecordRef> victims_;
};

struct DeadlockProbes::Probing {
  WaitGraph& graph;
  std::size_t& sends_left;
  std::vector<WaitLink> path;
  std::set<CallId> seen;  // each call once, by whichever way it was reached first
};

void DeadlockProbes::suspect(RecordRef record) {
  suspects_.emplace_back(execution_.now_ns + limits::kDeadlockSuspicion.count(), std::move(record));
}

void DeadlockProbes::on_probe(ProbeMessage probe) {
  if (probes_.size() >= limits::kProbesMax) return;
  if (probes_.empty()) probes_due_ns_ = execution_.now_ns + limits::kProbesGather.count();
  probes_.push_back(std::move(probe));
}

std::optional<std::int64_t> DeadlockProbes::next_timer_ns() const {
  std::optional<std::int64_t> next;
  if (!suspects_.empty()) next = suspects_.front().first;
  if (!probes_.empty()) next = std::min(next.value_or(INT64_MAX), probes_due_ns_);
  if (next) next = std::max(*next, paused_until_ns_);
  return next;
}

void DeadlockProbes::on_time() {
  const std::int64_t now_ns = execution_.now_ns;
  while (!suspects_.empty() && !is_suspect(*suspects_.front().second)) suspects_.pop_front();
  if (now_ns < paused_until_ns_) return;
  const bool has_due = !suspects_.empty() && suspects_.front().first <= now_ns;
  const bool has_probes = !probes_.empty() && probes_due_ns_ <= now_ns;
  if (!has_due && !has_probes) return;
  std::vector<RecordRef> due;
  for (; !suspects_.empty() && suspects_.front().first <= now_ns; suspects_.pop_front())
    if (is_suspect(*suspects_.front().second)) due.push_back(std::move(suspects_.front().second));
  const std::vector<ProbeMessage> probes = std::exchange(probes_, {});

  WaitGraph graph(calls_);
  std::size_t sends_left = limits::kProbesMax;
  for (const RecordRef& record : due) {
    if (!is_suspect(*record)) continue;  // the victim of a ring that was just found
    Probing probing{graph, sends_left, {}, {}};
    follow(probing, *record);
    if (is_suspect(*record)) suspect(record);
  }
  for (const ProbeMessage& message : probes) {
    const Record* const target = graph.find_arrived(message.target);
    if (target == nullptr || !target->is_listed) continue;  // it has ended meanwhile
    Probing probing{graph, sends_left, message.path, {}};
    follow(probing, *target);
  }
  if (graph.has_looked())
    paused_until_ns_ = now_ns + static_cast<std::int64_t>(calls_.size()) * limits::kProbePausePerCall.count();
}

void DeadlockProbes::follow(Probing& probing, const Record& record) {
  const CallId id = words_.id_of(record);
  if (record.state == Record::State::sent) {  // continues where it waits or runs, which may be where the path started
    if (probing.sends_left == 0 || !probing.seen.insert(id).second) return;
    --probing.sends_left;
    return syscalls_.send(record.site->sent_to, ProbeMessage{id, probing.path});
  }
  if (const auto again = std::ranges::find(probing.path, id, &WaitLink::id); again != probing.path.end())
    return resolve(probing.graph, {again, probing.path.end()});
  if (probing.path.size() >= limits::kChainLengthMax || !probing.seen.insert(id).second) return;
  WaitLink link{.id = id,
                .entity = record.callee            ? words_.shown(record.callee)
                          : record.site != nullptr ? record.site->label
                                                   : std::string("task"),
                .method = record.method != nullptr                             ? std::string(record.method->name)
                          : record.site != nullptr && record.site->on_hook_end ? record.site->label
                                                                               : std::string(),
                .node = words_.self().node};
  if (record.state == Record::State::locked_out) {
    const EntityLock& lock = activation_of(&record)->lock;
    link.locked_out_since_ns = lock.find_waiting_since(record).value_or(0);
    probing.path.push_back(std::move(link));
    std::vector<RecordRef> holders;  // a victim may change the lock
    for (Record* holder : lock.holders()) holders.push_back(RecordRef::share(*holder));
    for (const RecordRef& holder : holders)
      if (record.state == Record::State::locked_out) follow(probing, *holder);
    probing.path.pop_back();
  } else if (record.state == Record::State::loading) {
    const Activation* activation = activations_.find(record.callee->text);
    if (activation == nullptr || activation->hook() == nullptr) return;  // it waits for the store
    link.locked_out_since_ns = execution_.wall_ns - (execution_.now_ns - words_.begun_ns_of(record));
    probing.path.push_back(std::move(link));
    follow(probing, *activation->hook());
    probing.path.pop_back();
  } else if (record.state == Record::State::running || record.is_abandoned) {
    probing.path.push_back(std::move(link));
    for (const auto& [caller, made] : probing.graph.made_by(record))
      if (made->is_listed && made->caller == &record) follow(probing, *made);
    probing.path.pop_back();
  }
}

/// If the victim lives here, it fails; otherwise its own node finds the same ring.
void DeadlockProbes::resolve(WaitGraph& graph, const std::vector<WaitLink>& ring) {
  const WaitLink& victim = victim_of(ring);
  if (victim.node != words_.self().node || victim.locked_out_since_ns == 0) return;
  Record* record = nullptr;
  calls_.for_each([&](Record& one) {
    if (is_waiting(one) && words_.id_of(one) == victim.id) record = &one;
  });
  if (record == nullptr) return;
  graph.keep(*record);
  listener_.on_ring(*record, {victim.id, ring},
                    fmt::format("{} was not started, because these calls wait for each other: {}", text_of(victim),
                                describe_ring(ring)));
}

}  // namespace epic::kernel
