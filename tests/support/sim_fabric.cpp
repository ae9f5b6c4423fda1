#include "support/sim_fabric.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>

#include "kernel/assert.hpp"
#include "kernel/limits.hpp"
#include "kernel/placement_groups.hpp"

namespace epic::test {

using kernel::Incarnation;
using kernel::MapVersion;
using kernel::NodeId;
using kernel::PeerAddress;
using kernel::ShardId;

namespace {

constexpr std::int64_t kWallStartNs = 1'700'000'000'000'000'000;  // an arbitrary fixed time

std::uint64_t fingerprint_of(std::string_view kind, std::uint64_t a = 0, std::uint64_t b = 0) {
  const std::uint64_t numbers[] = {a, b};
  return XXH64(numbers, sizeof(numbers), XXH64(kind.data(), kind.size(), 0));
}

std::uint64_t fingerprint_of(const kernel::Message& message) {
  if (const auto* call = std::get_if<kernel::CallMessage>(&message))
    return XXH64(call->arguments.data(), call->arguments.size(),
                 fingerprint_of(call->target, call->id.sequence, call->method));
  if (const auto* reply = std::get_if<kernel::ReplyMessage>(&message)) {
    const auto* result = std::get_if<kernel::ResultPart>(&reply->outcome);
    const std::uint64_t kind = fingerprint_of("reply", reply->sequence, reply->outcome.index());
    return result == nullptr ? kind : XXH64(result->bytes.data(), result->bytes.size(), kind);
  }
  if (const auto* broadcast = std::get_if<kernel::BroadcastMessage>(&message))
    return XXH64(broadcast->steps.data(), broadcast->steps.size() * sizeof(std::uint32_t),
                 fingerprint_of(broadcast->first));
  if (const auto* ended = std::get_if<kernel::EndedMessage>(&message))
    return XXH64(ended->sequences.data(), ended->sequences.size() * sizeof(std::uint64_t), fingerprint_of("ended"));
  return fingerprint_of("hello");
}

}  // namespace

// ---- one node: a kernel, and its syscalls as events ----

class SimFabric::Node final : public kernel::Syscalls {
 public:
  Node(SimFabric& fabric, PeerAddress self)
      : fabric_(fabric),
        self_(self),
        kernel_({.self = self,
                 .fabric = "simulated",
                 .placement = kernel::placement_for(fabric.module_, fabric.options_.shard_count),
                 .call_timeout = fabric.options_.call_timeout,
                 .idle_age = fabric.options_.idle_age,
                 .calls_bytes_max = fabric.options_.calls_bytes_max,
                 .memory_budget_bytes = fabric.options_.memory_budget_bytes},
                fabric.codec_, *this) {
    const auto added = kernel_.add_module(fabric.module_);
    EPIC_ASSERT(added.has_value(), "{}", added.error());
  }

  void send(const PeerAddress& to, kernel::Message message) override {
    std::visit(
        [](const auto& one) {
          if constexpr (requires { find_fault(one); })
            EPIC_ASSERT(find_fault(one).empty(), "sent what its receiver refuses: {}", find_fault(one));
        },
        message);
    note_sent(to);
    const std::uint16_t from = self_.node.value;
    auto& last = fabric_.last_arrival_ns_[{from, to.node.value}];
    last = std::max(last, fabric_.now_ns_ + fabric_.draw(fabric_.options_.frame_delay_max).count());
    const std::uint64_t fingerprint = fingerprint_of(message);
    fabric_.schedule_at(
        0, last, fingerprint, [this, &fabric = fabric_, from = self_, to, message = std::move(message)]() mutable {
          Node* const receiver = fabric.find_node(to.node.value);
          if (receiver != nullptr && receiver->self_ == to) {
            receiver->kernel_.on_time(fabric.now_ns_, fabric.wall_ns());
            receiver->kernel_.on_message(from, std::move(message));
            fabric.drive(*receiver);
          } else if (Node* const sender = fabric.find_node(from.node.value); sender == this && sender->self_ == from) {
            sender->kernel_.on_peer_lost(to);
            fabric.drive(*sender);
          }
          if (fabric.find_node(from.node.value) == this) note_read(to);
        });
  }
  [[nodiscard]] bool has_room(const PeerAddress& to) const override { return !full_.contains(to); }

  void load(kernel::ActivationId activation, std::string_view type, std::string_view key) override {
    own_event(
        fabric_.draw(fabric_.options_.load_delay_max), fingerprint_of(key, activation.slot, activation.generation),
        [this, activation, type = std::string(type), key = std::string(key)] {
          const auto loaded = fabric_.store_.load(type, key);
          auto reminders = fabric_.store_.reminder_names(type, key, kernel::limits::kRemindersOfEntityMax).value();
          kernel::LoadResult result;
          if (!loaded) {
            result = std::unexpected(loaded.error().message);
          } else if (*loaded) {
            const storage::Snapshot& snapshot = **loaded;
            result = kernel::LoadedState{
                snapshot.version,
                kernel::SavedState{snapshot.schema, **fabric_.store_.schema(snapshot.schema), snapshot.bytes},
                std::move(reminders)};
          } else {
            const ShardId shard = kernel_.options().placement.shard_of(type, key);
            result = kernel::LoadedState{*fabric_.store_.version_floor(shard), {}, std::move(reminders)};
          }
          kernel_.on_loaded(activation, std::move(result));
        });
  }

  void load_mail(const kernel::ShardEpoch& tenure, std::uint64_t after) override {
    own_event(fabric_.options_.load_delay_max, fingerprint_of("mail", tenure.shard.value, after),
              [this, tenure, after] {
                auto page = fabric_.store_.mail_of(tenure.shard, after);
                if (!page) return kernel_.on_mail_loaded(tenure, std::unexpected(page.error().message));
                for (kernel::LoadedMail& row : page->rows) row.schema_text = **fabric_.store_.schema(row.mail.schema);
                kernel_.on_mail_loaded(tenure, *std::move(page));
              });
  }

  void load_answer(const kernel::ShardEpoch& tenure, const kernel::AnswerId& id) override {
    own_event(fabric_.options_.load_delay_max, fingerprint_of("answer", tenure.shard.value), [this, tenure, id] {
      kernel::FoundAnswer found{.answer = *fabric_.store_.answer(id)};
      if (found.answer && found.answer->end.schema != kernel::SchemaId{})
        found.schema_text = **fabric_.store_.schema(found.answer->end.schema);
      kernel_.on_answer_loaded(tenure, id, std::move(found));
    });
  }

  void load_oldest_answer(const kernel::ShardEpoch& tenure) override {
    own_event(fabric_.options_.load_delay_max, fingerprint_of("oldest answer", tenure.shard.value),
              [this, tenure] { kernel_.on_oldest_answer(tenure, *fabric_.store_.oldest_answer(tenure.shard)); });
  }

  void load_reminders(const kernel::ShardEpoch& tenure, const kernel::ReminderPlace& after,
                      std::size_t limit) override {
    own_event(fabric_.options_.load_delay_max,
              fingerprint_of("reminders", tenure.shard.value, static_cast<std::uint64_t>(after.due_ns)),
              [this, tenure, after, limit] {
                auto page = fabric_.store_.reminders_of(tenure.shard, after, limit);
                if (!page) return kernel_.on_reminders_loaded(tenure, std::unexpected(page.error().message));
                for (const kernel::Reminder& row : page->rows)
                  page->schemas.push_back({row.schema, **fabric_.store_.schema(row.schema)});
                kernel_.on_reminders_loaded(tenure, *std::move(page));
              });
  }

  /// Written at one time together with what has arrived by then, and confirmed later; the node may die in between.
  void commit(kernel::Batch batch) override {
    batches_.push_back(std::move(batch));
    wait_for_turn();
  }

  void take(std::vector<ShardId> shards) override {
    const std::uint64_t fingerprint = fingerprint_of("take", shards.size());
    own_event(fabric_.draw(fabric_.options_.commit_delay_max), fingerprint, [this, shards = std::move(shards)] {
      const auto taken = fabric_.store_.take(shards, self_.node, Incarnation{self_.life});
      if (taken) return kernel_.on_taken(*taken);
      end_fenced(taken.error().message);
    });
  }

  void released(ShardId shard) override {
    fabric_.schedule(0, fabric_.draw(fabric_.options_.frame_delay_max), fingerprint_of("released", shard.value),
                     [&fabric = fabric_, shard] {
                       const auto move = fabric.moves_.find(shard.value);
                       if (move == fabric.moves_.end()) return;
                       fabric.owners_[shard.value] = move->second;
                       fabric.published_owners_[shard.value] = 0;  // counts as a new owner even if it is the old one
                       fabric.moves_.erase(move);
                       fabric.publish_map();
                     });
  }

  void start_blocking(std::shared_ptr<detail::BlockingWork> work) override {
    own_event(fabric_.draw(fabric_.options_.blocking_delay_max), fingerprint_of("blocking"),
              [this, work = std::move(work)] {
                if (!work->is_abandoned()) work->run(&fabric_.files_);
                own_event(fabric_.draw(fabric_.options_.blocking_delay_max), fingerprint_of("blocking ended"),
                          [this, work] { kernel_.on_blocking_ended(work); });
              });
  }

  void log(kernel::LogLevel level, std::string_view entity, std::string_view message) override {
    fabric_.log_.push_back({self_.node, level, std::string(entity), std::string(message)});
  }

  [[nodiscard]] const PeerAddress& self() const { return self_; }
  [[nodiscard]] kernel::Kernel& kernel() { return kernel_; }
  std::optional<std::int64_t> timer_ns;  // the scheduled wake-up

 private:
  void note_sent(const PeerAddress& to) {
    if (fabric_.options_.unread_max > 0 && ++unread_[to] >= fabric_.options_.unread_max) full_.insert(to);
  }
  /// As a real transport does, it reports room when half of the buffer has been read.
  void note_read(const PeerAddress& to) {
    if (fabric_.options_.unread_max == 0 || --unread_[to] > fabric_.options_.unread_max / 2) return;
    if (full_.erase(to) == 0) return;
    kernel_.on_time(fabric_.now_ns_, fabric_.wall_ns());
    kernel_.on_room(to);
    fabric_.drive(*this);
  }
  void wait_for_turn() {
    if (is_waiting_for_turn_ || batches_.empty()) return;
    is_waiting_for_turn_ = true;
    auto event = [this] {
      if (fabric_.find_node(self_.node.value) != this) return;  // has died meanwhile
      own_event(fabric_.draw(fabric_.options_.commit_delay_max), fingerprint_of("turn"), [this] { write_batches(); });
    };
    if (fabric_.are_commits_held_)
      fabric_.held_commits_.push_back(std::move(event));
    else
      event();
  }

  void write_batches() {
    kernel_.on_store_writing(true);
    kernel::Batch batch = std::move(batches_.front());
    batches_.pop_front();
    while (!batches_.empty() && kernel::try_append(batch, batches_.front())) batches_.pop_front();
    if (const auto committed = fabric_.store_.commit(batch); !committed) return end_fenced(committed.error().message);
    own_event(fabric_.draw(fabric_.options_.commit_delay_max),
              fingerprint_of("committed", batch.number.value, batch.operations.size()), [this, number = batch.number] {
                is_waiting_for_turn_ = false;
                kernel_.on_committed(number);
                wait_for_turn();
              });
  }

  /// The store has refused this node: a real one ends itself here.
  void end_fenced(const std::string& why) {
    log(kernel::LogLevel::error, {}, why);
    fabric_.schedule(0, std::chrono::nanoseconds(0), fingerprint_of("fenced"),
                     [&fabric = fabric_, node = self_.node.value] { fabric.kill(node); });
  }

  void own_event(std::chrono::nanoseconds delay, std::uint64_t fingerprint, std::function<void()> run) {
    fabric_.schedule(self_.node.value, delay, fingerprint, std::move(run));
  }

  SimFabric& fabric_;
  PeerAddress self_;
  kernel::Kernel kernel_;
  std::map<PeerAddress, std::size_t> unread_;
  std::set<PeerAddress> full_;         // no room for calls
  std::deque<kernel::Batch> batches_;  // sent by the kernel, not written yet
  bool is_waiting_for_turn_ = false;   // or for the confirmation of what was written
};

// ---- the fabric ----

SimFabric::SimFabric(SimOptions options, const ModuleInfo& module, const kernel::Codec& codec)
    : options_(options),
      module_(module),
      codec_(codec),
      random_(options.seed),
      store_(kernel::placement_for(module, options.shard_count), [this] { return wall_now(); }),
      grants_(*storage::Granter::lead(store_, kernel::Term{1})),
      owners_(options.shard_count, 0) {
  for (std::uint16_t node = 1; node <= options_.nodes; ++node) boot(node);
  for (std::uint32_t shard = 0; shard < options_.shard_count; ++shard)
    owners_[shard] = static_cast<std::uint16_t>(shard % options_.nodes + 1);
  publish_map();
}

SimFabric::~SimFabric() = default;

std::int64_t SimFabric::wall_ns() const { return kWallStartNs + now_ns_ + wall_offset_ns_; }

void SimFabric::boot(std::uint16_t node) {
  nodes_[node] = std::make_unique<Node>(*this, PeerAddress{NodeId{node}, next_life_++});
  Node& booted = *nodes_[node];
  for (auto& [other_id, other] : nodes_) {
    if (other_id == node) continue;
    other->kernel().on_hello(booted.self(), booted.kernel().hello());
    booted.kernel().on_hello(other->self(), other->kernel().hello());
  }
  drive(booted);
}

void SimFabric::publish_map() {
  kernel::ShardMap map;
  map.version = MapVersion{++map_version_};
  owned_since_.resize(owners_.size());
  published_owners_.resize(owners_.size());
  for (std::size_t shard = 0; shard < owners_.size(); ++shard) {
    if (std::exchange(published_owners_[shard], owners_[shard]) != owners_[shard]) owned_since_[shard] = map.version;
    map.owners.push_back(NodeId{owners_[shard]});
  }
  map.owned_since = owned_since_;
  for (const auto& [shard, to] : moves_) map.moving.push_back(ShardId{shard});
  for (const auto& [id, node] : nodes_)
    if (!forsaken_.contains(id)) map.members.push_back({NodeId{id}, Incarnation{node->self().life}, ""});
  const auto granted = grants_.write(store_, map);
  EPIC_ASSERT(granted.has_value(), "the memory store refused grants: {}", granted.error().message);
  for (const auto& [id, node] : nodes_)
    if (!forsaken_.contains(id))
      tell(id, fingerprint_of("map", map_version_), [this, id, map] { nodes_.at(id)->kernel().on_shard_map(map); });
}

bool SimFabric::step() {
  if (events_.empty()) return false;
  Event event = std::move(const_cast<Event&>(events_.top()));  // the queue has no other way to move out
  events_.pop();
  Node* const node = event.node == 0 ? nullptr : find_node(event.node);
  if (event.node != 0 && (node == nullptr || node->self().life != event.life)) return true;
  EPIC_ASSERT(event.time_ns >= now_ns_, "an event at {} comes after {}", event.time_ns, now_ns_);
  now_ns_ = event.time_ns;
  const std::uint64_t parts[] = {digest_, static_cast<std::uint64_t>(event.time_ns), event.node, event.fingerprint};
  digest_ = XXH64(parts, sizeof(parts), 0);
  ++event_count_;
  event.run();
  if (event.node == 0) return true;
  if (Node* const same = find_node(event.node); same != nullptr && same->self().life == event.life) drive(*same);
  return true;
}

/// Runs a kernel until it has nothing to do, and schedules its next wake-up.
void SimFabric::drive(Node& node) {
  kernel::Kernel& kernel = node.kernel();
  kernel.on_time(now_ns_, wall_ns());
  do {
    while (kernel.run(64)) {
    }
    kernel.seal();
  } while (kernel.run(0));
  const auto next = kernel.next_timer_ns();
  if (!next || *next == INT64_MAX || (node.timer_ns && *node.timer_ns <= *next && *node.timer_ns > now_ns_)) return;
  node.timer_ns = std::max(*next, now_ns_ + 1);
  schedule_at(node.self().node.value, *node.timer_ns, fingerprint_of("timer"), [] {});
}

bool SimFabric::run_until(const std::function<bool()>& done, std::chrono::nanoseconds limit) {
  const std::int64_t end = now_ns_ + limit.count();
  while (!done()) {
    if (events_.empty() || events_.top().time_ns > end) return false;
    step();
  }
  return true;
}

void SimFabric::run_for(std::chrono::nanoseconds duration) {
  const std::int64_t end = now_ns_ + duration.count();
  while (!events_.empty() && events_.top().time_ns <= end) step();
  now_ns_ = end;
}

void SimFabric::submit(std::uint16_t node, kernel::RecordRef record, std::function<void(kernel::Record&)> on_end) {
  Node* const gateway = find_node(node);
  EPIC_ASSERT(gateway != nullptr, "node-{} is not alive", node);
  const std::chrono::nanoseconds timeout(record->timeout_ns != 0 ? record->timeout_ns : options_.call_timeout.count());
  gateway->kernel().on_time(now_ns_, wall_ns());
  gateway->kernel().submit(std::move(record), timeout, std::move(on_end));
  drive(*gateway);
}

void SimFabric::run_task(std::uint16_t node, Task<void> task, std::string label, std::chrono::nanoseconds limit) {
  bool is_ended = false;
  std::exception_ptr thrown;
  kernel::Kernel& kernel = nodes_.at(node)->kernel();
  kernel.submit_task(std::move(task), label, [&](kernel::Record& record) {
    is_ended = true;
    thrown = record.failure ? record.failure : record.thrown();
  });
  drive(*nodes_.at(node));
  if (!run_until([&is_ended] { return is_ended; }, limit)) throw std::logic_error(label + " never ends");
  if (thrown) std::rethrow_exception(thrown);
}

bool SimFabric::stop(std::uint16_t node, std::chrono::nanoseconds limit) {
  Node& stopped = *nodes_.at(node);
  stopped.kernel().on_drain();
  drive(stopped);
  if (!run_until([&stopped] { return stopped.kernel().is_drained(); }, limit)) return false;
  run_for(options_.frame_delay_max);  // what it has sent arrives before its connections end
  kill(node);
  return true;
}

void SimFabric::kill(std::uint16_t node) {
  const auto found = nodes_.find(node);
  if (found == nodes_.end()) return;
  const PeerAddress dead = found->second->self();
  graveyard_.push_back(std::move(found->second));
  nodes_.erase(found);
  for (auto& [id, other] : nodes_)
    schedule(id, draw(options_.frame_delay_max), fingerprint_of("lost", node),
             [this, id, dead] { nodes_.at(id)->kernel().on_peer_lost(dead); });
  schedule(0, options_.detect_delay, fingerprint_of("detected", node), [this, node] {
    if (find_node(node) == nullptr) share_shards_of(node);
  });
}

void SimFabric::forsake(std::uint16_t node) {
  forsaken_.insert(node);
  schedule(0, options_.detect_delay, fingerprint_of("forsaken", node), [this, node] { share_shards_of(node); });
}

void SimFabric::share_shards_of(std::uint16_t node) {
  std::vector<std::uint16_t> members;
  for (const auto& [id, other] : nodes_)
    if (!forsaken_.contains(id)) members.push_back(id);
  if (members.empty()) return;
  std::size_t turn = 0;
  for (std::uint32_t shard = 0; shard < owners_.size(); ++shard) {
    if (owners_[shard] != node) continue;
    owners_[shard] = members[turn++ % members.size()];
    moves_.erase(shard);
  }
  publish_map();
}

void SimFabric::restart(std::uint16_t node) {
  EPIC_ASSERT(find_node(node) == nullptr, "node-{} is alive", node);
  forsaken_.erase(node);
  std::erase_if(moves_, [&](const auto& move) { return owners_[move.first] == node; });  // of its previous incarnation
  boot(node);
  publish_map();
}

void SimFabric::move_shard(ShardId shard, std::uint16_t to, std::chrono::nanoseconds announced_ago) {
  const std::uint16_t from = owners_[shard.value];
  if (from == to || find_node(from) == nullptr || moves_.contains(shard.value)) return;
  if (!nodes_.at(from)->kernel().routing().is_active(shard)) return;
  moves_[shard.value] = to;
  tell(from, fingerprint_of("release", shard.value), [this, from, shard, announced_ago] {
    const ShardId shards[] = {shard};
    nodes_.at(from)->kernel().on_release(shards, announced_ago);
  });
}

void SimFabric::hold_commits(bool is_held) {
  are_commits_held_ = is_held;
  if (is_held) return;
  for (const auto& commit : std::exchange(held_commits_, {})) commit();
}

/// A node receives messages from coordination in the order in which they were sent.
void SimFabric::tell(std::uint16_t node, std::uint64_t fingerprint, std::function<void()> run) {
  auto& last = last_arrival_ns_[{0, node}];
  last = std::max(last, now_ns_ + draw(options_.frame_delay_max).count());
  schedule_at(node, last, fingerprint, std::move(run));
}

void SimFabric::schedule(std::uint16_t node, std::chrono::nanoseconds delay, std::uint64_t fingerprint,
                         std::function<void()> run) {
  schedule_at(node, now_ns_ + delay.count(), fingerprint, std::move(run));
}

void SimFabric::schedule_at(std::uint16_t node, std::int64_t time_ns, std::uint64_t fingerprint,
                            std::function<void()> run) {
  const Node* const target = node == 0 ? nullptr : find_node(node);
  events_.push(
      {time_ns, next_order_++, node, target == nullptr ? 0 : target->self().life, fingerprint, std::move(run)});
}

std::chrono::nanoseconds SimFabric::draw(std::chrono::nanoseconds max) {
  return std::chrono::nanoseconds(1 + static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(max.count())));
}

kernel::Kernel& SimFabric::kernel(std::uint16_t node) { return nodes_.at(node)->kernel(); }

SimFabric::Node* SimFabric::find_node(std::uint16_t node) {
  const auto found = nodes_.find(node);
  return found == nodes_.end() ? nullptr : found->second.get();
}

std::uint16_t SimFabric::owner_of(std::string_view entity) const {
  return owners_[store_.identity().placement.shard_of(entity).value];
}

}  // namespace epic::test
