#include "presence.hpp"

epic::Task<> Presence::on_activate() {
  // A timer keeps it in memory while its user is there. So one that was collected was offline.
  if (epic::activation_cause() == epic::ActivationCause::collected)
    status_ = Status::offline;
  else
    silence_ = epic::after(kSilenceMax, &Presence::give_up);
  co_return;
}

epic::Task<void> Presence::beat() {
  status_ = Status::online;
  silence_.stop();
  silence_ = epic::after(kSilenceMax, &Presence::give_up);
  co_return;
}

epic::Task<void> Presence::leave() {
  status_ = Status::offline;
  silence_.stop();
  co_return;
}

epic::Task<void> Presence::give_up() {
  status_ = Status::offline;
  co_return;
}

epic::Task<Status> Presence::get_status() const { co_return status_; }
