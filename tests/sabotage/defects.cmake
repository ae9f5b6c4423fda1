# The bank: NAME, FILE, the statement that is replaced, and what stands there instead.

# ---- saving
epic_plant(reply_before_commit runtime/kernel/saving/saving.cpp
  "if (gate_.is_open(needs)) return listener_.release(std::move(item));"
  "return listener_.release(std::move(item));")
epic_plant(lock_ignored runtime/kernel/calls/calls.cpp
  "if (activation.lock.try_take(*record, mode)) return true;"
  "return true;" kept)
epic_plant(lock_leaked_by_exception runtime/kernel/calls/call_ends.cpp
  "pass_lock(*activation, activation->lock.release(record), first);"
  "if (record.thrown())
      new RecordRef(RecordRef::share(record));
    else
      pass_lock(*activation, activation->lock.release(record), first);")
epic_plant(nested_field_missed runtime/kernel/saving/saving.cpp
  "hash128(bytes)"
  "hash128(std::span<const std::byte>(bytes).first(std::min<std::size_t>(bytes.size(), 32)))" value)
epic_plant(observed_not_passed_on runtime/kernel/calls/calls.cpp
  "Observations::observe(waiter->execution, observations_.observed_by(&record));"
  "")
epic_plant(second_write_lost runtime/io/storage_work.cpp
  "if (!batch_)
      batch_ = std::move(batches_.front());"
  "if (batch_) { batch_->number = batches_.front().number; batches_.pop_front(); continue; }" kept)
epic_plant(acknowledged_before_sync runtime/io/storage_work.cpp
  "const auto done = store_->sync();"
  "{ bool must_wake = false; { const std::lock_guard lock(mutex_); must_wake = confirm(number); } if (must_wake) wake_(); return; }" kept)
epic_plant(blocked_batch_dropped runtime/io/storage_work.cpp
  "tell_blocked(done.error());"
  "if (batch_) { written_ = batch_->number; batch_.reset(); return true; }" kept)

epic_plant(log_not_synced runtime/storage/sqlite_wal.cpp
  "auto done = sync_file(log_, \"sync the write-ahead log\");"
  "return {};" kept)

# ---- ownership
epic_plant(no_fence runtime/storage/memory_store.cpp
  "  check_batch(batch, shared_->shard_count());"
  "{ const std::scoped_lock unfenced(shared_->mutex);
    for (const SchemaText& schema : batch.schemas) shared_->schemas.try_emplace(schema.id, schema.text);
    for (const Operation& operation : batch.operations)
      std::visit([this](const auto& change) { apply(change); }, operation);
    return {}; }" kept)
epic_plant(handover_without_drain runtime/kernel/routing/local_shards.cpp
  "if (!is_empty || state_of(shard) != State::releasing) return false;"
  "if (state_of(shard) != State::releasing) return false;")
epic_plant(released_at_once runtime/node/node_core.cpp
  "releasing_.emplace_back(shard, release.map_version);"
  "world_.send(protocol::Released{shard, release.map_version});")
epic_plant(published_before_granted cluster/supervisor/shard_orders.cpp
  "grants_.write(std::get<ShardTable::Publish>(*newest).map);"
  "return on_granted({});")
epic_plant(grants_of_a_former_run runtime/storage/grants.cpp
  "if (holder.incarnation == owner->second && holder.since >= since) continue;"
  "if (holder.incarnation != Incarnation{}) continue;")

epic_plant(drain_forgotten runtime/node/node_core.cpp
  "engine_.kernel().on_release(ours, release.announced_ago);"
  "")

# ---- the supervisor
epic_plant(dead_node_not_restarted cluster/supervisor/fleet_ends.cpp
  "if (slot.state == NodeState::backoff) start(slot);"
  "")
epic_plant(shards_of_the_dead_kept cluster/supervisor/shard_table.cpp
  "std::erase_if(moves_, [&](const auto& move) { return move.second.from == node; });"
  "return;" kept)
epic_plant(taken_believed cluster/supervisor/shard_table.cpp
  "actions_.push_back(AskRelease{owner, {std::move(shards), map_.version, announced_ago}});"
  "for (const ShardId shard : shards) { map_.owners[shard.value] = wanted_owners()[shard.value]; map_.owned_since[shard.value] = map_.version.next(); moves_.erase(shard); } publish();")

# ---- between processes
epic_plant(resent_after_bytes_left runtime/client/router.cpp
  "auto& pending = static_cast<Pending&>(*call);"
  "shards_.on_refused(*call, now_ns_); continue;" kept)
epic_plant(deadline_forgotten runtime/client/router.cpp
  "deadlines_.emplace_hint(deadlines_.end(), call->deadline_ns, sequence);"
  "")
epic_plant(refusal_passed_on runtime/client/router.cpp
  "if (std::holds_alternative<kernel::RefusedPart>(reply.outcome)) return shards_.on_refused(*pending, now_ns_);"
  "if (std::holds_alternative<kernel::RefusedPart>(reply.outcome))
    return end(*pending, make_exception(ErrorCode::unavailable, \"refused\"));" kept)
epic_plant(farewell_taken_for_a_loss runtime/client/router.cpp
  "for (kernel::RoutedCall* call : shards_.list_sent(node)) shards_.on_refused(*call, now_ns_);"
  "on_lost(node);")
epic_plant(loss_not_told runtime/transport/peers.cpp
  "events_.on_lost(address);"
  "")
epic_plant(parked_call_dropped runtime/kernel/routing/shard_router.cpp
  "if (!retry_at_ns_) retry_at_ns_ = now_ns + std::chrono::nanoseconds(limits::kRetryParked).count();"
  "")
epic_plant(stale_map_trusted runtime/kernel/routing/shard_router.cpp
  "if (map.version <= map_.version) return false;"
  "if (map_.version.value != 0) return false;")

# ---- files
epic_plant(file_ahead_of_state runtime/kernel/open_file.cpp
  "kernel.saving().hold(*kernel.current(), {.kind = kernel::Outgoing::Kind::write, .write = work});"
  "kernel.blocking().on_released(work);")
epic_plant(file_not_synced runtime/kernel/file_api.cpp
  "handle->sync();"
  "")
epic_plant(file_written_in_any_order runtime/kernel/calls/file_lines.cpp
  "if (!is_read) break;"
  "")
epic_plant(file_written_in_any_order runtime/kernel/calls/file_lines.cpp
  "place == line.begin()"
  "true" value)

# ---- messages
epic_plant(mail_not_removed runtime/kernel/mail/inbox.cpp
  "end(entry, activation, EndMail{.id = entry.mail.id, .to_shard = entry.mail.to_shard});"
  "end(entry, activation,
      MarkMail{.id = entry.mail.id, .to_shard = entry.mail.to_shard, .status = MailStatus::waiting});")
epic_plant(mail_read_backwards runtime/kernel/mail/inbox.cpp
  "entry.order = next_order_++;
  entry.is_handed_over = is_handed_over;"
  "entry.order = is_handed_over ? next_order_++ : UINT64_MAX - next_order_++;
  entry.is_handed_over = is_handed_over;")
epic_plant(mail_begun_not_marked runtime/kernel/mail/inbox.cpp
  "uses_.saving.add(activation,
                   MarkMail{.id = entry.mail.id, .to_shard = entry.mail.to_shard, .status = MailStatus::begun});"
  "uses_.saving.add(activation,
                   MarkMail{.id = entry.mail.id, .to_shard = entry.mail.to_shard, .status = MailStatus::waiting});")
epic_plant(dead_letter_dropped runtime/kernel/mail/inbox.cpp
  "end(entry, activation,
      MarkMail{.id = entry.mail.id, .to_shard = entry.mail.to_shard, .status = MailStatus::dead, .why = why});"
  "end(entry, activation, EndMail{.id = entry.mail.id, .to_shard = entry.mail.to_shard});")

# ---- reminders
epic_plant(reminder_removed_too_early runtime/kernel/mail/reminders.cpp
  "entry.taken_as = next_number_++;"
  "uses_.saving.add(AdvanceReminder{
      .name = name,
      .shard = entry.row.shard,
      .due_ns = entry.row.due_ns,
      .next_ns = next_due(entry.row.due_ns, entry.row.every_ns, uses_.scheduler.wall_ns).due_ns});" kept)
epic_plant(reminder_removed_too_early runtime/kernel/mail/inbox.cpp
  "uses_.saving.add(activation, begun->advance);"
  "uses_.reminders.on_sealed(uses_.saving.forming(), {begun->advance});")
epic_plant(reminder_set_from_now runtime/kernel/mail/reminders.cpp
  "next_due(row.due_ns, row.every_ns, now_ns)"
  "NextDue{row.every_ns > 0 ? std::optional(now_ns + row.every_ns) : std::nullopt,
           next_due(row.due_ns, row.every_ns, now_ns).missed}" value)
epic_plant(reminder_set_anew runtime/kernel/batch.cpp
  "other == set.reminder"
  "false" value)
epic_plant(forgotten_reminder_comes runtime/kernel/mail/reminders.cpp
  "has_unsealed_change(activation, occurrence.name)"
  "false" value)

# ---- answers
epic_plant(answer_stored_at_the_end runtime/kernel/answers/answers.cpp
  "uses_.saving.add(*activation_of(&call), PutAnswer{entry.answer});"
  "")
epic_plant(answer_stored_at_the_end runtime/kernel/answers/answers.cpp
  "uses_.saving.add(activation, EndAnswer{.id = at->first, .end = entry.answer.end});"
  "uses_.saving.add(activation, PutAnswer{entry.answer});")
epic_plant(key_without_its_method runtime/kernel/answers/answers.cpp
  "if (is_same_method && (request.schema != answer.arguments_schema || request.hash == answer.arguments_hash))"
  "if (request.hash == answer.arguments_hash) return true;" kept)

# ---- several machines
epic_plant(machines_take_without_grant runtime/storage/memory_store.cpp
  "row.node != node || row.incarnation != incarnation"
  "false" value)
epic_plant(machines_unknown_commit_taken_as_failed cluster/sim/disk.cpp
  "if (asked->is_written) return {};"
  "")
epic_plant(machines_unknown_commit_taken_as_done runtime/io/storage_work.cpp
  "if (done) return true;"
  "if (done || done.error().code == StoreErrorCode::unsure) return true;")
epic_plant(machines_term_of_maps_ignored runtime/kernel/routing/shard_router.cpp
  "map.version <= map_.version"
  "(map.version.value & 0xffffffffU) <= (map_.version.value & 0xffffffffU)" value)
epic_plant(machines_fence_on_the_epoch_alone runtime/storage/memory_store.cpp
  "row.epoch != held.epoch || row.incarnation != batch.writer"
  "row.epoch != held.epoch" value)
epic_plant(machines_lease_ignored runtime/io/engine.cpp
  "may_run_ = lease_.is_valid();"
  "may_run_ = true;")
epic_plant(machines_lease_ignored runtime/io/engine.cpp
  "lease_.exists() ? [this] { return lease_.is_valid(); } : std::function<bool()>()"
  "std::function<bool()>()" value)
# What comes first in a tick asks for the time.
epic_plant(machines_lease_checked_too_early runtime/io/engine.cpp
  "may_run_ = lease_.is_valid();"
  "")
epic_plant(machines_lease_checked_too_early runtime/io/engine.cpp
  "lease_.exists() ? [this] { return lease_.is_valid(); } : std::function<bool()>()"
  "std::function<bool()>([this] { return may_run_; })" value)
epic_plant(machines_lease_checked_too_early runtime/io/engine.cpp
  "kernel_.on_time(clock_.monotonic_ns(), clock_.wall_ns());"
  "may_run_ = lease_.is_valid();" kept)
epic_plant(machines_eviction_waits_for_nobody cluster/supervisor/machine_apart.cpp
  "if (fabric_) fabric_->note_eviction(machine, why);"
  "if (fabric_) fabric_->note_eviction(machine, why);
    machines_->on_key_gone(machine);")

# ---- a database that has lost something: that of another machine, or a copy
epic_plant(standby_accepted runtime/storage/postgres_store.cpp
  "if (!confirmed_) return {};
  EPIC_TRY(confirmed_->begin(history_));"
  "return {};" kept)
epic_plant(standby_accepted runtime/storage/postgres_store.cpp
  "if (!is_there || number < writer_.number)"
  "if (is_there) writer_.number = number;" kept)
