#include "kernel/frames/frames.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <set>
#include <utility>

#include "kernel/arrived_arguments.hpp"
#include "kernel/errors.hpp"
#include "kernel/limits.hpp"
#include "kernel/placement.hpp"

namespace epic::kernel {

namespace {

bool is_from_peer(const Record& record) { return record.site != nullptr && record.site->has_arrived(); }

/// It was made by a hook, or in the background, and nothing outside of the fabric waits for it, as far as this node
/// can see: two entities could keep each other alive that way for ever. A spawned call may be awaited later, so just
/// now it counts as its maker does; if it has been under way, by what awaits it by then.
bool is_unawaited(const Record& record, const Record* maker) {
  const Record* root = record.caller == nullptr && record.site == nullptr && maker != nullptr ? maker : &record;
  while (root->caller != nullptr) root = root->caller;
  const detail::CallSite* site = root->site;
  if (site == nullptr || !site->has_arrived()) return site == nullptr || (!site->on_end && !site->answer);
  if (site->links().empty()) return !site->from.is_client();
  const ChainLink& first = site->links().front();
  return first.method.empty() && first.entity.contains('/');  // a hook or a task of an entity
}

SharedChain take_chain(CallMessage& call) {
  if (call.chain.empty()) return nullptr;
  return std::make_shared<const std::vector<ChainLink>>(std::move(call.chain));
}

}  // namespace

// ---- out ----

detail::CallSite& Frames::site_of(Record& record, ShardId shard) {
  if (record.site == nullptr) record.site = new detail::CallSite(record);
  record.site->sequence = record.sequence;
  record.site->shard = shard;
  return *record.site;
}

void Frames::route(RecordRef record) {
  if (!has_key(*record)) return static_cast<void>(uses_.calls.route(std::move(record)));
  if (record->failure) return;
  if (const std::string fault = find_key_fault(record->site->extensions->idempotency_key); !fault.empty())
    return fail(*record, ErrorCode::bad_arguments,
                fmt::format("{} was not started: its idempotency key cannot be used: {}", uses_.words.describe(*record),
                            fault));
  const TypeEntry* const type = uses_.types.find(record->callee->type());
  if (type == nullptr || !type->info->has(*record->method))
    return static_cast<void>(uses_.calls.route(std::move(record)));  // it fails there
  if (type->info->stored_name() != record->callee->type())
    record->callee = detail::make_name(type->info->stored_name(), record->callee->key());
  leave(std::move(record), *type, nullptr);
}

/// As long as the shard is not ours, what the maker of the call has observed must be durable first: the change that it
/// has seen may yet be refused.
void Frames::leave(RecordRef record, const TypeEntry& type, const Record* maker) {
  if (type.local_max > 0) return leave_local(std::move(record), type, maker);
  RoutedCall call = record->site != nullptr ? RoutedCall(*record->site) : RoutedCall{};
  call.sequence = record->sequence;
  if (!call.has_arrived()) call.shard = uses_.placement.shard_of(record->callee->text);
  record->state = Record::State::queued;
  if (maker != nullptr && !uses_.routing.is_ours(call.shard) && !may_be_seen(*record))
    return uses_.saving.hold(*maker, {.kind = Outgoing::Kind::call, .record = std::move(record)});
  const bool is_urgent = uses_.routing.is_closed(call.shard) && uses_.calls.holds_up_a_move(*record);
  const bool is_stored = record->site != nullptr && (record->site->mail || record->site->answer);  // in the shard
  if (is_stored && !uses_.routing.is_open(call.shard, is_urgent))
    return fail(*record, ErrorCode::unavailable, "the shard is about to leave");  // its next owner has the message, too
  const Routing::Decision decision =
      is_stored ? Routing::Decision{Routing::Way::here} : uses_.routing.decide(call, is_urgent);
  switch (decision.way) {
    case Routing::Way::here:
      if (has_key(*record)) return uses_.answers.enter(std::move(record), type, call.shard);
      if (uses_.admission.is_draining && is_unawaited(*record, maker))
        return fail(*record, ErrorCode::unavailable, std::string(uses_.admission.refusal()));
      return uses_.activations.activate(std::move(record), type, call.shard);
    case Routing::Way::park:
      return uses_.routing.park(site_of(*record, call.shard));
    case Routing::Way::refuse:
      return refuse(*record);
    case Routing::Way::send:
      if (!may_be_seen(*record))
        return uses_.routing.park_until_commit(
            site_of(*record, call.shard));  // it has waited here, for a shard that was ours
      if (!uses_.syscalls.has_room(decision.owner)) return uses_.routing.park(site_of(*record, call.shard));
      return send(std::move(record), type, call.shard, decision.owner);
  }
}

/// It runs here, wherever it comes from.
void Frames::leave_local(RecordRef record, const TypeEntry& type, const Record* maker) {
  if (has_key(*record))
    return fail(*record, ErrorCode::bad_arguments,
                fmt::format("{} was not started: {} is a local class, of which nothing is saved, so a call of it "
                            "cannot have an idempotency key",
                            uses_.words.describe(*record), type.info->type_name));
  if (uses_.admission.is_draining && is_unawaited(*record, maker))
    return fail(*record, ErrorCode::unavailable, std::string(uses_.admission.refusal()));
  uses_.activations.enter_local(std::move(record), type);
}

bool Frames::may_be_seen(const Record& record) const {
  return is_from_peer(record) || uses_.saving.is_durable(CommitNumber{record.observed});
}

/// Its caller's node finds the owner.
void Frames::refuse(Record& record) {
  record.site->is_refused = true;
  fail(record, ErrorCode::unavailable, "this node does not own the entity's shard");
}

/// It gets no record, so that nothing in which the calls of one message may differ gets into it.
CallMessage Frames::message_of(const SharedParts& parts, const TypeEntry& type) const {
  return {.id = {},
          .target = {},
          .method = uses_.types.number_of(type, *parts.method),
          .map_version = parts.map_version,
          .patience_ns = parts.deadline_ns - uses_.scheduler.now_ns,
          .chain = uses_.words.chain_of(parts.caller),
          .arguments = {},
          .extensions = parts.extensions != nullptr ? std::optional(*parts.extensions)
                                                    : uses_.words.extensions_from(parts.caller)};
}

void Frames::send(RecordRef record, const TypeEntry& type, ShardId shard, const PeerAddress& to) {
  const SharedParts parts = shared_parts_of(*record, uses_.routing.version());
  const bool may_share = record->is_broadcast && takes_broadcasts(to);
  if (may_share && uses_.sends.try_join(to, *record, parts)) return note_sent(*record, shard, to);
  CallMessage call = message_of(parts, type);
  call.id = uses_.words.id_of(*record);
  call.target = std::string(record->callee->text);
  if (call.chain.size() > limits::kChainLengthMax)
    return fail(*record, ErrorCode::overloaded,
                fmt::format("{} was not sent: more than {} calls wait for it, each for the next",
                            uses_.words.describe(*record), limits::kChainLengthMax));
  try {
    uses_.codec.encode(parts.method->arguments(), parts.arguments, call.arguments);
  } catch (const std::length_error& error) {
    return fail(*record, ErrorCode::bad_arguments,
                fmt::format("{} was not sent: {}", uses_.words.describe(*record), error.what()));
  }
  if (call.arguments.size() > limits::kArgumentsBytesMax)
    return fail(*record, ErrorCode::bad_arguments,
                fmt::format("{} was not sent: its arguments have {} bytes, and {} is the most",
                            uses_.words.describe(*record), call.arguments.size(), limits::kArgumentsBytesMax));
  note_sent(*record, shard, to);
  if (may_share)
    uses_.sends.begin(to, std::move(record), std::move(call));
  else
    uses_.sends.send(to, std::move(call));
}

void Frames::note_sent(Record& record, ShardId shard, const PeerAddress& to) {
  detail::CallSite& site = site_of(record, shard);
  site.id = uses_.words.id_of(record);
  record.state = Record::State::sent;
  uses_.routing.on_sent(site, to);
}

bool Frames::takes_broadcasts(const PeerAddress& peer) const {
  const auto known = peers_.find(peer);
  return known != peers_.end() && known->second.takes_broadcasts;
}

// ---- in ----

void Frames::on_hello(const PeerAddress& from, const HelloMessage& hello) {
  PeerTable& table = peers_.insert_or_assign(from, uses_.types.resolve(hello.methods)).first->second;
  table.takes_broadcasts = hello.takes_broadcasts;
}

void Frames::on_message(const PeerAddress& from, Message message) {
  if (auto* call = std::get_if<CallMessage>(&message))
    receive(from, *call, take_chain(*call), nullptr);
  else if (auto* reply = std::get_if<ReplyMessage>(&message))
    reply->sequence == 0 ? take_back(from) : receive(from, std::move(*reply));
  else if (const auto* hello = std::get_if<HelloMessage>(&message))
    on_hello(from, *hello);
  else if (auto* hint = std::get_if<MailHintMessage>(&message)) {
    if (!from.is_client()) uses_.inbox.on_hint(hint->shards);
  } else if (const auto* cancel = std::get_if<CancelMessage>(&message))
    uses_.cancellations.on_cancel(from, cancel->id);
  else if (from.is_client())
    return;  // the rest is between nodes
  else if (auto* broadcast = std::get_if<BroadcastMessage>(&message))
    receive(from, std::move(*broadcast));
  else if (const auto* ended = std::get_if<EndedMessage>(&message))
    receive(from, *ended);
  else if (const auto* deadlock = std::get_if<DeadlockMessage>(&message))
    receive(*deadlock);
  else
    uses_.calls.on_probe(std::get<ProbeMessage>(std::move(message)));
}

/// As so many calls: each is accepted, refused, or fails by itself.
void Frames::receive(const PeerAddress& from, BroadcastMessage broadcast) {
  CallMessage& call = broadcast.first;
  const SharedChain chain = take_chain(call);
  std::shared_ptr<const ArrivedArguments> arguments;
  if (const PeerMethod* const method = find_announced(from, call.method); method != nullptr && method->arguments)
    arguments = std::make_shared<const ArrivedArguments>(uses_.codec, *method->arguments, std::move(call.arguments));
  const std::uint64_t first = call.id.sequence;
  const std::size_t type_bytes = call.target.find('/') + 1;  // 0 without one: then none of them names an entity
  receive(from, call, chain, arguments);
  for (std::size_t i = 0; i < broadcast.keys.size(); ++i) {
    call.id.sequence = first + broadcast.steps[i];
    call.target.replace(type_bytes, std::string::npos, broadcast.keys[i]);
    receive(from, call, chain, arguments);
  }
}

void Frames::receive(const PeerAddress& from, const EndedMessage& ended) {
  for (const std::uint64_t sequence : ended.sequences) {
    RoutedCall* const sent = uses_.routing.find_sent(from, sequence);
    if (sent == nullptr) continue;  // its caller has stopped waiting
    const RecordRef record = RecordRef::share(static_cast<detail::CallSite*>(sent)->record);
    if (record->is_broadcast) uses_.calls.receive_result(*record);
  }
}

void Frames::receive(const PeerAddress& from, const CallMessage& call, SharedChain chain,
                     std::shared_ptr<const ArrivedArguments> shared) {
  const std::uint64_t sequence = call.id.sequence;
  const PeerMethod* const announced = find_announced(from, call.method);
  if (announced == nullptr)
    return reply_error(from, sequence, ErrorCode::no_such_method,
                       fmt::format("a method of '{}' was called that the caller's process has not announced to node-{}",
                                   call.target, uses_.self.node));
  const PeerMethod& method = *announced;
  if (method.type == nullptr)
    return reply_error(
        from, sequence, ErrorCode::no_such_type,
        fmt::format("node-{} has no class for '{}': its module is of another version", uses_.self.node, method.name));
  if (method.method == nullptr)
    return reply_error(
        from, sequence, ErrorCode::no_such_method,
        fmt::format("node-{} has no method '{}': its module is of another version", uses_.self.node, method.name));
  const Activation* const known = uses_.activations.table().find(std::string_view(call.target));
  detail::NamePtr name = known != nullptr ? known->name : detail::parse_name(call.target);
  if (!name || (known != nullptr ? known->type : uses_.types.find(name->type())) != method.type)
    return reply_error(from, sequence, ErrorCode::bad_arguments,
                       fmt::format("'{}' does not name an entity of the method's class", call.target));
  if (name->text != call.target)  // by the caller's hash it belongs elsewhere
    return reply_error(from, sequence, ErrorCode::no_such_type,
                       fmt::format("'{}' is placed and stored as '{}': the caller's class must say so, too, with "
                                   "named(\"{}\", formerly(\"{}\"))",
                                   call.target, name->text, method.type->info->type_name, name->type()));
  const ShardId shard = known != nullptr ? known->shard : uses_.placement.shard_of(name->text);
  const bool is_local = method.type->local_max > 0;  // then it runs wherever it arrives
  if (!is_local && uses_.routing.must_refuse(shard, call.map_version))
    return uses_.syscalls.send(from, ReplyMessage{sequence, RefusedPart{uses_.routing.version()}});
  if (from.is_client() && !uses_.admission.refusal().empty()) {
    // A node that leaves is told to stop once its shards are released, perhaps before it gets the map that says so.
    if (uses_.admission.is_draining && (is_local || !uses_.routing.is_ours(shard)))
      return uses_.syscalls.send(from, ReplyMessage{sequence, RefusedPart{uses_.routing.version()}});
    return reply_error(from, sequence, ErrorCode::unavailable, std::string(uses_.admission.refusal()));
  }
  if (!method.arguments)
    return reply_error(from, sequence, ErrorCode::bad_arguments,
                       fmt::format("{}: {}", method.name, method.arguments_error));

  auto made =
      shared ? make_call(*method.method) : make_call(*method.method, uses_.codec, call.arguments, *method.arguments);
  if (!made)
    return reply_error(from, sequence, ErrorCode::bad_arguments,
                       fmt::format("{}: {}: {}", method.name, made.error().path, made.error().what));
  RecordRef record = std::move(*made);
  record->callee = std::move(name);
  record->is_broadcast = shared != nullptr;
  // Slightly less than the caller has: this node knows better what delays the call, and can still report it.
  record->timeout_ns = std::max<std::int64_t>(
      call.patience_ns - std::min<std::int64_t>(call.patience_ns / 10, limits::kTimeoutLead.count()), 1);
  detail::CallSite& site = site_of(*record, shard);
  site.from = from;
  site.id = call.id;
  site.sent_version = call.map_version;
  site.chain = std::move(chain);
  site.arguments = std::move(shared);
  if (call.extensions) site.extensions = std::make_unique<CallExtensions>(*call.extensions);
  uses_.scheduler.current = nullptr;
  if (!uses_.calls.open(*record)) return reply(*record);
  route(std::move(record));
}

void Frames::reply_error(const PeerAddress& to, std::uint64_t sequence, ErrorCode code, std::string message) {
  uses_.syscalls.send(to, ReplyMessage{sequence, ErrorPart{code, {}, std::move(message)}});
}

void Frames::reply(Record& record) {
  const Record& origin = record.site->answered_by != nullptr ? *record.site->answered_by : record;
  if (record.site->on_end)
    return uses_.saving.hold(
        origin, {.kind = Outgoing::Kind::end, .record = RecordRef::share(record), .given_up_ns = record.deadline_ns});
  if (record.site->is_refused) {
    uses_.syscalls.send(record.site->from,
                        ReplyMessage{record.site->id.sequence, RefusedPart{uses_.routing.version()}});
    return;
  }
  if (record.is_broadcast && !record.failure && !record.thrown() &&
      uses_.saving.is_durable(uses_.saving.observations().observed_by(&origin)))
    return uses_.sends.add_ended(record.site->from, record.site->id.sequence);
  const std::int64_t lead_ns = std::min<std::int64_t>(record.timeout_ns / 10, limits::kReplyLead.count());
  uses_.saving.hold(origin, {.kind = Outgoing::Kind::reply,
                             .to = record.site->from,
                             .reply = make_reply(record),
                             .is_broadcast = record.is_broadcast,
                             .given_up_ns = record.deadline_ns - lead_ns});
}

void Frames::release(Outgoing item) {
  switch (item.kind) {
    case Outgoing::Kind::call:
      uses_.calls.route(std::move(item.record));
      return;
    case Outgoing::Kind::reply:
      if (item.is_broadcast && std::holds_alternative<ResultPart>(item.reply.outcome))
        return uses_.sends.add_ended(item.to, item.reply.sequence);
      return uses_.syscalls.send(item.to, std::move(item.reply));
    case Outgoing::Kind::end:
      if (const auto on_end = std::exchange(item.record->site->on_end, nullptr)) on_end(*item.record);
      return;
    case Outgoing::Kind::write:  // is no frame
      return;
  }
}

void Frames::release_with_error(Outgoing item, ErrorCode code, const std::string& message) {
  switch (item.kind) {
    case Outgoing::Kind::call:
      return fail(*item.record, code, message);
    case Outgoing::Kind::reply:
      item.reply.outcome = ErrorPart{code, {}, message};
      break;
    case Outgoing::Kind::end:
      item.record->failure = make_exception(code, message);
      break;
    case Outgoing::Kind::write:
      return;
  }
  release(std::move(item));
}

void Frames::park_held() {
  const auto shard_of_callee = [this](const Record& held) { return uses_.placement.shard_of(held.callee->text); };
  for (const RecordRef& record :
       uses_.saving.take_calls([&](const Record& held) { return uses_.routing.is_ours(shard_of_callee(held)); }))
    if (!record->failure) uses_.routing.park(site_of(*record, shard_of_callee(*record)));
}

ReplyMessage Frames::make_reply(Record& record) const {
  ReplyMessage reply{.sequence = record.site->id.sequence, .outcome = ResultPart{}};
  if (record.site->answered_error) {
    reply.outcome = *record.site->answered_error;
  } else if (record.failure) {
    reply.outcome = describe_failure(record.failure);
  } else if (const std::exception_ptr thrown = record.thrown()) {
    reply.outcome = describe_thrown(thrown);
  } else if (record.method->result != nullptr && !record.is_broadcast) {
    ResultPart result;
    try {
      uses_.codec.encode(record.method->result(), record.result(), result.bytes);
    } catch (const std::length_error& error) {
      reply.outcome = ErrorPart{ErrorCode::call_failed, "epic::Error",
                                fmt::format("the result of {} cannot be sent: {}; the method has run",
                                            uses_.words.describe(record), error.what())};
      return reply;
    }
    if (result.bytes.size() > limits::kArgumentsBytesMax)
      reply.outcome =
          ErrorPart{ErrorCode::call_failed, "epic::Error",
                    fmt::format("the result of {} has {} bytes, and {} is the most; the method has run",
                                uses_.words.describe(record), result.bytes.size(), limits::kArgumentsBytesMax)};
    else
      reply.outcome = std::move(result);
  }
  return reply;
}

void Frames::receive(const PeerAddress& from, ReplyMessage reply) {
  RoutedCall* const sent = uses_.routing.find_sent(from, reply.sequence);
  if (sent == nullptr) return;  // its caller has stopped waiting
  const RecordRef record = RecordRef::share(static_cast<detail::CallSite*>(sent)->record);
  if (std::holds_alternative<RefusedPart>(reply.outcome)) return on_refused(*record);
  if (auto* error = std::get_if<ErrorPart>(&reply.outcome)) {
    if (error->code == ErrorCode::timeout && error->exception_type.empty())
      error->message = uses_.words.describe_timeout(*record, error->message);
    return uses_.calls.fail(*record, make_exception(error->code, error->message, error->exception_type));
  }
  if (record->is_broadcast) return uses_.calls.receive_result(*record);
  read_result(*record, std::get<ResultPart>(reply.outcome));
}

void Frames::on_refused(Record& record) {
  record.state = Record::State::queued;
  uses_.routing.on_refused(*record.site, uses_.scheduler.now_ns);
}

/// The peer is leaving, and has not started what it has not answered: as if it had refused each call.
void Frames::take_back(const PeerAddress& peer) {
  uses_.sends.forget(peer);
  uses_.routing.block(peer, uses_.scheduler.now_ns);  // otherwise they would be sent there again
  uses_.routing.lose(peer, /*has_refused=*/true);
  end_lost();
}

/// Of the calls that will not be answered, as many as one tick may end.
void Frames::end_lost() {
  std::vector<std::pair<RecordRef, bool>> lost;
  for (const auto [call, is_refused] : uses_.routing.list_lost(limits::kEndedPerTick))
    lost.emplace_back(RecordRef::share(static_cast<detail::CallSite*>(call)->record), is_refused);
  for (const auto& [record, is_refused] : lost) {
    if (record->state != Record::State::sent) continue;
    const PeerAddress peer = record->site->sent_to;
    const auto death = deaths_.find(peer);
    const bool may_be_sent_again = is_refused || (has_key(*record) && !uses_.admission.is_draining);
    if (!may_be_sent_again)
      fail(*record, ErrorCode::node_lost,
           fmt::format("node-{} was lost while {} was under way there; it may have run{}", peer.node,
                       uses_.words.describe(*record), death == deaths_.end() ? "" : death->second));
    else if (uses_.admission.is_draining)  // no map will come that says where the shard goes
      fail(*record, ErrorCode::unavailable, "the node that it was sent to has stopped");
    else
      on_refused(*record);
  }
  if (!uses_.routing.has_lost()) deaths_.clear();
}

const PeerMethod* Frames::find_announced(const PeerAddress& by, std::uint32_t number) const {
  const auto peer = peers_.find(by);
  return peer == peers_.end() || number >= peer->second.methods.size() ? nullptr : &peer->second.methods[number];
}

/// As the peer has announced it; null: it has not.
const PeerMethod* Frames::find_method(const PeerAddress& of, const reflect::MethodInfo& method) const {
  const auto peer = peers_.find(of);
  if (peer == peers_.end()) return nullptr;
  const auto number = peer->second.numbers.find(&method);
  return number == peer->second.numbers.end() ? nullptr : &peer->second.methods[number->second];
}

void Frames::read_result(Record& record, const ResultPart& result) {
  if (record.method->result != nullptr) {
    const PeerMethod* const theirs = find_method(record.site->sent_to, *record.method);
    if (theirs == nullptr || !theirs->result)
      return fail(record, ErrorCode::no_such_method,
                  fmt::format("{} was answered by node-{}, which has not announced this method",
                              uses_.words.describe(record), record.site->sent_to.node));
    if (const auto read = kernel::read_result(record, uses_.codec, result.bytes, *theirs->result); !read)
      return fail(record, ErrorCode::bad_arguments,
                  fmt::format("the result of {} cannot be read: {}: {}", uses_.words.describe(record),
                              read.error().path, read.error().what));
  }
  uses_.calls.receive_result(record);
}

void Frames::on_peer_lost(const PeerAddress& peer, std::string_view running) {
  uses_.routing.block(peer, uses_.scheduler.now_ns);
  if (!running.empty()) deaths_[peer] = describe_death(uses_.types.shown(running));
  uses_.routing.lose(peer, /*has_refused=*/false);
  peers_.erase(peer);
  uses_.sends.forget(peer);
  end_lost();
}

// ---- deadlocks ----

void Frames::on_deadlock(const DeadlockMessage& deadlock) {
  std::set<NodeId> nodes;
  for (const WaitLink& link : deadlock.ring) nodes.insert(link.node);
  for (const NodeId node : nodes)
    if (const PeerAddress peer = uses_.routing.address_of(node); node != uses_.self.node && peer.life != 0)
      uses_.syscalls.send(peer, deadlock);
  receive(deadlock);
}

/// For the log and the events of each of our entities in the ring.
void Frames::receive(const DeadlockMessage& deadlock) {
  const std::string text = "calls waited for each other, and one had to fail: " + describe_ring(deadlock.ring);
  std::set<std::string_view> seen;
  for (const WaitLink& link : deadlock.ring) {
    if (link.node != uses_.self.node || !seen.insert(link.entity).second) continue;
    uses_.syscalls.log(LogLevel::warn, link.entity, text);
    if (const Activation* activation = uses_.activations.table().find(uses_.types.stored(link.entity)))
      uses_.events.add(Happening::deadlocked, activation->subject(), text, uses_.scheduler.now_ns);
  }
}

}  // namespace epic::kernel
