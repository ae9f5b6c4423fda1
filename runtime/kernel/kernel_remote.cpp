// Calls between nodes: who owns the shard, frames out and in, replies, lost peers.

#include <fmt/format.h>

#include <stdexcept>

#include <algorithm>

#include "kernel/errors.hpp"
#include "kernel/kernel.hpp"
#include "kernel/kernel_scope.hpp"

namespace epic::kernel {

namespace {

detail::CallSite& site_of(Record& record) {
  if (record.site == nullptr) record.site = new detail::CallSite();
  return *record.site;
}

bool is_from_peer(const Record& record) { return record.site != nullptr && record.site->from.life != 0; }

}  // namespace

// ---- out ----

/// The entity is not in memory here: activate it, or let the call leave for the shard's owner.
std::coroutine_handle<> Kernel::place(RecordRef record, bool may_run_now, const Record* maker) {
  const TypeEntry* type = types_.find(record->callee->type());
  if (type == nullptr) {
    const std::string near = types_.nearest_type(record->callee->type());
    fail(*record, ErrorCode::no_such_type,
         fmt::format("no entity class '{}' in this project's modules{}", record->callee->type(),
                     near.empty() ? std::string() : fmt::format("; there is '{}'", near)));
    return {};
  }
  if (type->info->stored_name() != record->callee->type()) {  // called by another of the class's names
    record->callee = detail::make_name(type->info->stored_name(), record->callee->key());
    return route(std::move(record), may_run_now, maker);
  }
  const ShardId id = shard_of(record->callee->text);
  const Shard& shard = shards_.at(id);
  const bool may_come = shard.local == Shard::Local::active      ? shard.parked.empty()
                        : shard.local == Shard::Local::releasing ? holds_up_a_move(*record)
                                                                 : false;
  if (!may_come) {
    leave(std::move(record), maker);
    return {};
  }
  activate(std::move(record), *type, id);
  return {};
}

/// It cannot start just now. As long as the shard is this node's it waits with it, in its place. Otherwise what its
/// caller has observed must be durable before it is seen elsewhere: at the gate, if it is made just now.
void Kernel::leave(RecordRef record, const Record* maker) {
  record->state = Record::State::queued;
  const bool is_ours = shards_.at(shard_of(record->callee->text)).local != Shard::Local::none;
  if (is_ours || maker == nullptr || may_be_seen(*record)) return dispatch(std::move(record));
  let_out(maker, HeldCall{std::move(record)});
}

bool Kernel::may_be_seen(const Record& record) const {
  return is_from_peer(record) || gate_.is_open(CommitNumber{record.observed});
}

/// To whoever owns the shard by now; parked while that is unsettled.
void Kernel::dispatch(RecordRef record) {
  if (record->failure) return;
  const ShardId id = shard_of(record->callee->text);
  Shard& shard = shards_.at(id);
  if (is_from_peer(*record) && record->site->sent_version < shards_.owned_since(id)) return refuse(*record);
  const bool is_urgent = shard.local == Shard::Local::releasing && holds_up_a_move(*record);
  if (!is_urgent && !shard.parked.empty()) return Shards::park(shard, std::move(record));
  if (shard.local == Shard::Local::active || is_urgent) {
    static_cast<void>(route(std::move(record), /*may_run_now=*/false));
    return;
  }
  if (shard.local != Shard::Local::none) return Shards::park(shard, std::move(record));
  if (is_from_peer(*record)) {
    // By a map that we do not have yet: it waits for that one, or those behind it would overtake it.
    if (record->site->sent_version > shards_.version()) return Shards::park(shard, std::move(record));
    return refuse(*record);
  }
  const PeerAddress owner = shards_.address_of(shard.owner);
  if (owner.life == 0 || owner == options_.self || shard.is_blocked ||
      (shard.sent > 0 && (shard.sent_to != owner || shard.sent_version < shards_.owned_since(id))))
    return Shards::park(shard, std::move(record));
  if (!may_be_seen(*record)) {  // it has waited here, for a shard that was ours; those behind it must not overtake it
    shard.waits_for_commit = parked_wait_for_commit_ = true;
    return Shards::park(shard, std::move(record));
  }
  send_call(std::move(record), shard, owner);
}

/// Its caller's node finds the owner.
void Kernel::refuse(Record& record) {
  record.site->from_refused = true;
  fail(record, ErrorCode::unavailable, "this node does not own the entity's shard");
}

void Kernel::send_call(RecordRef record, Shard& shard, const PeerAddress& to) {
  const TypeEntry* type = types_.find(record->callee->type());
  CallMessage call{.id = id_of(*record),
                   .target = std::string(record->callee->text),
                   .method = types_.number_of(*type, record->method->name),
                   .map_version = shards_.version(),
                   .patience_ns = record->deadline_ns - now_ns_,
                   .chain = chain_of(record->caller),
                   .arguments = {}};
  try {
    codec_.encode(record->method->arguments(), record->arguments(), call.arguments);
  } catch (const std::length_error& error) {
    return fail(*record, ErrorCode::bad_arguments, fmt::format("{} was not sent: {}", describe(*record), error.what()));
  }
  if (call.arguments.size() > limits::kArgumentsBytesMax)
    return fail(*record, ErrorCode::bad_arguments,
                fmt::format("{} was not sent: its arguments have {} bytes, and {} is the most", describe(*record),
                            call.arguments.size(), limits::kArgumentsBytesMax));
  detail::CallSite& site = site_of(*record);
  site.id = call.id;
  site.sent_shard = shard_of(record->callee->text);
  site.sent_to = to;
  site.sent_version = call.map_version;
  record->state = Record::State::sent;
  ++shard.sent;
  shard.sent_to = to;
  shard.sent_version = call.map_version;
  sent_.emplace(call.id.sequence, record.get());
  syscalls_.send(to, std::move(call));
}

/// The call is no longer out: answered, refused, expired or lost.
void Kernel::forget_sent(Record& record) {
  const ShardId id = *std::exchange(record.site->sent_shard, std::nullopt);
  sent_.erase(record.site->id.sequence);
  Shard& shard = shards_.at(id);
  EPIC_ASSERT(shard.sent > 0, "shard {} has no call out", id);
  if (--shard.sent == 0 && !shard.parked.empty()) flush_parked(id);
}

/// Sends nothing more by the map that we have; a newer one, or a while, sets it right.
void Kernel::block(Shard& shard) {
  shard.is_blocked = true;
  if (!retry_parked_ns_) retry_parked_ns_ = now_ns_ + std::chrono::nanoseconds(limits::kRetryParked).count();
}

void Kernel::block_all_of(const PeerAddress& owner) {
  for (std::uint16_t i = 0; i < shards_.count(); ++i)
    if (Shard& shard = shards_.at(ShardId{i}); shards_.address_of(shard.owner) == owner) block(shard);
}

void Kernel::unblock_all() {
  retry_parked_ns_.reset();
  for (std::uint16_t i = 0; i < shards_.count(); ++i) {
    Shard& shard = shards_.at(ShardId{i});
    shard.is_blocked = false;
    if (!shard.parked.empty()) flush_parked(ShardId{i});
  }
}

void Kernel::flush_after_commit() {
  parked_wait_for_commit_ = false;
  for (std::uint16_t i = 0; i < shards_.count(); ++i)
    if (shards_.at(ShardId{i}).waits_for_commit) flush_parked(ShardId{i});
}

void Kernel::flush_parked(ShardId id) {
  shards_.at(id).waits_for_commit = false;
  std::deque<RecordRef> parked = std::exchange(shards_.at(id).parked, {});
  for (RecordRef& record : parked) dispatch(std::move(record));
}

// ---- in ----

void Kernel::on_hello(const PeerAddress& from, const HelloMessage& hello) {
  const Scope scope(*this);
  peers_.insert_or_assign(from, types_.resolve(hello.methods));
}

void Kernel::on_message(const PeerAddress& from, Message message) {
  const Scope scope(*this);
  if (auto* call = std::get_if<CallMessage>(&message))
    receive(from, std::move(*call));
  else if (auto* reply = std::get_if<ReplyMessage>(&message))
    reply->sequence == 0 ? take_back(from) : receive(std::move(*reply));
  else if (const auto* hello = std::get_if<HelloMessage>(&message))
    on_hello(from, *hello);
  else if (from.is_client())
    return;  // what follows is between nodes
  else if (const auto* deadlock = std::get_if<DeadlockMessage>(&message))
    learn(*deadlock);
  else if (probes_.size() < limits::kProbesMax) {
    if (probes_.empty()) probes_due_ns_ = now_ns_ + limits::kProbesGather.count();
    probes_.push_back(std::get<ProbeMessage>(std::move(message)));
  }
}

void Kernel::receive(const PeerAddress& from, CallMessage call) {
  const std::uint64_t sequence = call.id.sequence;
  const auto peer = peers_.find(from);
  if (peer == peers_.end() || call.method >= peer->second.methods.size())
    return reply_error(from, sequence, ErrorCode::no_such_method,
                       fmt::format("method number {} was never introduced", call.method));
  const PeerMethod& method = peer->second.methods[call.method];
  if (method.type == nullptr)
    return reply_error(from, sequence, ErrorCode::no_such_type,
                       fmt::format("node-{} has no class for '{}': its module is of another version",
                                   options_.self.node, method.name));
  if (method.method == nullptr)
    return reply_error(
        from, sequence, ErrorCode::no_such_method,
        fmt::format("node-{} has no method '{}': its module is of another version", options_.self.node, method.name));
  detail::NamePtr name = detail::parse_name(call.target);
  if (!name || types_.find(name->type()) != method.type)
    return reply_error(from, sequence, ErrorCode::bad_arguments,
                       fmt::format("'{}' does not name an entity of the method's class", call.target));
  if (name->text != call.target)  // by the caller's hash it belongs elsewhere
    return reply_error(from, sequence, ErrorCode::no_such_type,
                       fmt::format("'{}' is placed and stored as '{}': the caller's class must say so, too, with "
                                   "named(\"{}\", formerly(\"{}\"))",
                                   call.target, name->text, method.type->info->type_name, name->type()));
  const ShardId id = shard_of(name->text);
  const Shard& shard = shards_.at(id);
  if ((shard.local == Shard::Local::none && call.map_version <= shards_.version()) ||
      call.map_version < shards_.owned_since(id))
    return syscalls_.send(from, ReplyMessage{sequence, RefusedPart{shards_.version()}});
  if (from.is_client() && (is_draining_ || !blocked_.empty()))
    return reply_error(from, sequence, ErrorCode::unavailable, is_draining_ ? "this node is shutting down" : blocked_);
  if (!method.arguments)
    return reply_error(from, sequence, ErrorCode::bad_arguments,
                       fmt::format("{}: {}", method.name, method.arguments_error));

  RecordRef record(method.method->make_record());
  if (auto read =
          codec_.decode_sent(call.arguments, *method.arguments, method.method->arguments(), record->arguments());
      !read)
    return reply_error(from, sequence, ErrorCode::bad_arguments,
                       fmt::format("{}: {}: {}", method.name, read.error().path, read.error().what));
  record->callee = std::move(name);
  // A little less than the caller has: this node knows better what keeps the call, and can still say so.
  record->patience_ns = std::max<std::int64_t>(
      call.patience_ns - std::min<std::int64_t>(call.patience_ns / 10, limits::kTimeoutLead.count()), 1);
  detail::CallSite& site = site_of(*record);
  site.from = from;
  site.id = call.id;
  site.sent_version = call.map_version;
  site.chain = std::move(call.chain);
  current_ = nullptr;
  if (!admit(*record)) return reply_to(*record);
  if (shard.local == Shard::Local::active || shard.local == Shard::Local::releasing)
    static_cast<void>(route(std::move(record), /*may_run_now=*/false));
  else
    Shards::park(shards_.at(id), std::move(record));
}

void Kernel::reply_error(const PeerAddress& to, std::uint64_t sequence, ErrorCode code, const std::string& message) {
  syscalls_.send(to, ReplyMessage{sequence, ErrorPart{code, {}, message}});
}

/// The outcome of an inbound call, held until what it has seen is durable.
void Kernel::reply_to(Record& record) {
  if (record.site->from_refused) {
    syscalls_.send(record.site->from, ReplyMessage{record.site->id.sequence, RefusedPart{shards_.version()}});
    return;
  }
  let_out(&record, HeldReply{record.site->from, make_reply(record), RecordRef::share(record)});
}

ReplyMessage Kernel::make_reply(Record& record) {
  ReplyMessage reply{.sequence = record.site->id.sequence, .outcome = ResultPart{}};
  if (record.failure) {
    reply.outcome = describe_failure(record.failure);
  } else if (const std::exception_ptr thrown = record.thrown()) {
    reply.outcome = describe_thrown(thrown);
  } else if (record.method->result != nullptr) {
    ResultPart result;
    try {
      codec_.encode(record.method->result(), record.result(), result.bytes);
    } catch (const std::length_error& error) {
      reply.outcome = ErrorPart{
          ErrorCode::call_failed, "epic::Error",
          fmt::format("the result of {} cannot be sent: {}; the method has run", describe(record), error.what())};
      return reply;
    }
    if (result.bytes.size() > limits::kArgumentsBytesMax)
      reply.outcome = ErrorPart{ErrorCode::call_failed, "epic::Error",
                                fmt::format("the result of {} has {} bytes, and {} is the most; the method has run",
                                            describe(record), result.bytes.size(), limits::kArgumentsBytesMax)};
    else
      reply.outcome = std::move(result);
  }
  return reply;
}

void Kernel::receive(ReplyMessage reply) {
  const auto found = sent_.find(reply.sequence);
  if (found == sent_.end()) return;  // its caller has stopped waiting
  const RecordRef record = RecordRef::share(*found->second);
  if (std::holds_alternative<RefusedPart>(reply.outcome)) {
    const ShardId id = *record->site->sent_shard;
    record->state = Record::State::queued;
    if (record->site->sent_version == shards_.version()) block(shards_.at(id));
    Shards::park(shards_.at(id), record);
    forget_sent(*record);
    return;
  }
  if (auto* error = std::get_if<ErrorPart>(&reply.outcome)) {
    if (error->code == ErrorCode::timeout && error->exception_type.empty())
      error->message = describe_timeout(*record, error->message);
    return fail(*record, make_exception(error->code, error->message, error->exception_type));
  }
  read_result(*record, std::get<ResultPart>(reply.outcome));
}

/// The peer ends, and has not begun what it has not answered: as if it had refused each call by itself.
void Kernel::take_back(const PeerAddress& peer) {
  block_all_of(peer);  // or they would be sent there once more
  std::vector<std::uint64_t> unanswered;
  for (const auto& [sequence, record] : sent_)
    if (record->site->sent_to == peer) unanswered.push_back(sequence);
  std::ranges::sort(unanswered);
  for (const std::uint64_t sequence : unanswered) {
    if (is_draining_) {  // nobody is left who could tell us where the shard goes
      if (const auto found = sent_.find(sequence); found != sent_.end())
        fail(*RecordRef::share(*found->second), ErrorCode::unavailable, "the node that it was sent to has stopped");
    } else {
      receive({sequence, RefusedPart{shards_.version()}});
    }
  }
}

void Kernel::read_result(Record& record, const ResultPart& result) {
  if (record.method->result != nullptr) {
    const PeerTable& peer = peers_[record.site->sent_to];
    const auto number = peer.numbers.find(record.method);
    const PeerMethod* theirs = number == peer.numbers.end() ? nullptr : &peer.methods[number->second];
    if (theirs == nullptr || !theirs->result)
      return fail(record, ErrorCode::internal,
                  fmt::format("{} was answered by a node that has not introduced it", describe(record)));
    if (auto read = codec_.decode_sent(result.bytes, *theirs->result, record.method->result(), record.emplace_result());
        !read)
      return fail(record, ErrorCode::bad_arguments,
                  fmt::format("the result of {} cannot be read: {}: {}", describe(record), read.error().path,
                              read.error().what));
  }
  const RecordRef kept = RecordRef::share(record);
  detail::Waiter* waiter = conclude(record);
  retire(record);
  if (waiter != nullptr && waiter->remaining == 0) enqueue_resume(*waiter);
}

void Kernel::on_peer_lost(const PeerAddress& peer) {
  const Scope scope(*this);
  std::vector<RecordRef> lost;
  for (const auto& [sequence, record] : sent_)
    if (record->site->sent_to == peer) lost.push_back(RecordRef::share(*record));
  std::ranges::sort(lost, {}, [](const RecordRef& record) { return record->sequence; });
  for (const RecordRef& record : lost)
    fail(*record, ErrorCode::node_lost,
         fmt::format("node-{} was lost while {} was under way there; it may have run", peer.node, describe(*record)));
  peers_.erase(peer);
  block_all_of(peer);
}

}  // namespace epic::kernel
