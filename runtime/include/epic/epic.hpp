#pragma once
// Everything that a module of entities needs. Deliberately light: it includes no networking, storage or logging
// library.

#include "epic/blocking.hpp"
#include "epic/call.hpp"
#include "epic/entity.hpp"
#include "epic/entity_macro.hpp"
#include "epic/error.hpp"
#include "epic/event.hpp"
#include "epic/files.hpp"
#include "epic/gather.hpp"
#include "epic/log.hpp"
#include "epic/mail.hpp"
#include "epic/module.hpp"
#include "epic/pool.hpp"
#include "epic/ref.hpp"
#include "epic/reminders.hpp"
#include "epic/state.hpp"
#include "epic/stopping.hpp"
#include "epic/task.hpp"
#include "epic/time.hpp"
#include "epic/timer.hpp"
#include "epic/values.hpp"
