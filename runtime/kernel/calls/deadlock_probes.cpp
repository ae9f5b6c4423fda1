#include "kernel/calls/deadlock_probes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/unordered/unordered_flat_set.hpp>

#include "kernel/calls/copies.hpp"
#include "kernel/limits.hpp"

namespace epic::kernel {

namespace {

std::string text_of(const WaitLink& link) {
  return link.method.empty() ? link.entity : link.entity + "." + link.method;
}

bool is_hook(const WaitLink& link) { return link.method == "on_activate" || link.method == "on_deactivate"; }

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

/// One suspect or probe that is followed.
struct DeadlockProbes::Probing {
  std::vector<WaitLink> prefix;                   // the path so far, on other nodes
  std::vector<const Record*> path;                // and here
  boost::unordered_flat_set<const Record*> seen;  // each call once, by whichever way it was reached first
};

void DeadlockProbes::suspect(RecordRef record) {
  suspects_.emplace_back(scheduler_.now_ns + limits::kDeadlockSuspicion.count(), std::move(record));
}

void DeadlockProbes::on_probe(ProbeMessage probe) {
  if (probes_.size() >= limits::kProbesMax) return;
  if (probes_.empty()) probes_due_ns_ = scheduler_.now_ns + limits::kProbesGather.count();
  probes_.push_back(std::move(probe));
}

std::optional<std::int64_t> DeadlockProbes::next_timer_ns() const {
  if (phase_ != Phase::idle) return resume_ns_;
  std::optional<std::int64_t> next;
  if (!suspects_.empty()) next = suspects_.front().first;
  if (!probes_.empty()) next = std::min(next.value_or(INT64_MAX), probes_due_ns_);
  if (next) next = std::max(*next, resume_ns_);
  return next;
}

void DeadlockProbes::on_time() {
  const std::int64_t now_ns = scheduler_.now_ns;
  while (!suspects_.empty() && !is_suspect(*suspects_.front().second)) suspects_.pop_front();
  if (now_ns < resume_ns_) return;
  resume_ns_ = now_ns + limits::kLookPause.count();
  if (phase_ == Phase::idle && !begin()) return;
  if (phase_ == Phase::gathering) {
    if (!graph_.gather(limits::kLookSlice)) return;
    phase_ = Phase::following;
  }
  if (phase_ == Phase::following) {
    if (!follow_due()) return;
    phase_ = Phase::forgetting;
  }
  if (graph_.forget(limits::kLookSlice)) phase_ = Phase::idle;
}

/// False: there is nothing to follow now.
bool DeadlockProbes::begin() {
  const std::int64_t now_ns = scheduler_.now_ns;
  for (; !suspects_.empty() && suspects_.front().first <= now_ns; suspects_.pop_front())
    if (is_suspect(*suspects_.front().second)) due_.push_back(std::move(suspects_.front().second));
  if (!probes_.empty() && probes_due_ns_ <= now_ns) due_probes_.swap(probes_);
  if (due_.empty() && due_probes_.empty()) {
    resume_ns_ = now_ns;
    return false;
  }
  sends_left_ = limits::kProbesMax;
  graph_.begin();
  phase_ = Phase::gathering;
  return true;
}

/// False: there is more to follow.
bool DeadlockProbes::follow_due() {
  followed_ = 0;
  for (; !due_.empty(); due_.pop_front()) {
    if (followed_ >= limits::kLookSlice) return false;
    const RecordRef record = due_.front();
    if (!is_suspect(*record)) continue;  // it has ended, or was the victim of a ring that was just found
    Probing probing;
    follow(probing, *record);
    if (is_suspect(*record)) suspect(record);
  }
  for (; !due_probes_.empty(); due_probes_.pop_front()) {
    if (followed_ >= limits::kLookSlice) return false;
    const Record* const target = graph_.find(due_probes_.front().target);
    if (target == nullptr || !target->is_listed) continue;  // it has ended meanwhile
    Probing probing{.prefix = std::move(due_probes_.front().path), .path = {}, .seen = {}};
    follow(probing, *target);
  }
  return true;
}

void DeadlockProbes::follow(Probing& probing, const Record& record) {
  if (probing.seen.size() >= limits::kFollowedMax) return;
  if (record.state == Record::State::sent) {  // continues where it waits or runs, which may be where the path started
    if (sends_left_ == 0 || !probing.seen.insert(&record).second) return;
    --sends_left_;
    return syscalls_.send(record.site->sent_to, ProbeMessage{words_.id_of(record), links_of(probing, 0)});
  }
  if (const auto again = std::ranges::find(probing.path, &record); again != probing.path.end())
    return resolve(links_of(probing, probing.prefix.size() + static_cast<std::size_t>(again - probing.path.begin())));
  if (const auto again = std::ranges::find(probing.prefix, words_.id_of(record), &WaitLink::id);
      again != probing.prefix.end())
    return resolve(links_of(probing, static_cast<std::size_t>(again - probing.prefix.begin())));
  if (probing.prefix.size() + probing.path.size() >= limits::kChainLengthMax || !probing.seen.insert(&record).second)
    return;
  ++followed_;
  probing.path.push_back(&record);
  if (record.state == Record::State::locked_out) {
    std::vector<RecordRef> holders;  // a victim may change the lock
    activation_of(&record)->lock.for_each_holder([&](Record& holder) { holders.push_back(RecordRef::share(holder)); });
    for (const RecordRef& holder : holders)
      if (record.state == Record::State::locked_out) follow(probing, *holder);
  } else if (record.state == Record::State::loading) {
    const Activation* activation = activations_.find(record.callee->text);
    if (activation != nullptr && activation->hook() != nullptr) follow(probing, *activation->hook());
  } else if (record.state == Record::State::running || record.is_abandoned) {
    graph_.for_each_made_by(record, [&](const Record& made) { follow(probing, made); });
  } else if (record.state == Record::State::sharing) {
    if (const Record* const request = Copies::find_request_of(record)) follow(probing, *request);
  }
  probing.path.pop_back();
}

/// The path from its link number `begin` on.
std::vector<WaitLink> DeadlockProbes::links_of(const Probing& probing, std::size_t begin) const {
  std::vector<WaitLink> links;
  for (std::size_t i = begin; i < probing.prefix.size() + probing.path.size(); ++i)
    links.push_back(i < probing.prefix.size() ? probing.prefix[i] : link_of(*probing.path[i - probing.prefix.size()]));
  return links;
}

WaitLink DeadlockProbes::link_of(const Record& record) const {
  const bool is_hook = record.site != nullptr && record.site->on_hook_end;
  WaitLink link{.id = words_.id_of(record),
                .entity = record.callee ? words_.shown(record.callee) : CallWords::label_of(record),
                .method = record.method != nullptr ? std::string(record.method->name)
                          : is_hook                ? record.site->label
                                                   : std::string(),
                .node = words_.self().node};
  if (is_waiting(record))  // by the clock of its node; without a deadline nobody knows, and it counts as the oldest
    link.locked_out_since_ns =
        record.deadline_ns == INT64_MAX ? 1 : scheduler_.wall_ns - (scheduler_.now_ns - words_.begun_ns_of(record));
  return link;
}

/// If the victim lives here, it fails; otherwise its own node finds the same ring.
void DeadlockProbes::resolve(const std::vector<WaitLink>& ring) {
  const WaitLink& victim = victim_of(ring);
  if (victim.node != words_.self().node || victim.locked_out_since_ns == 0) return;
  Record* const record = graph_.find(victim.id);
  if (record == nullptr || !record->is_listed || !is_waiting(*record)) return;
  listener_.on_ring(*record, {victim.id, ring},
                    fmt::format("{} was not started, because these calls wait for each other: {}", text_of(victim),
                                describe_ring(ring)));
}

}  // namespace epic::kernel
