@0xa8f2c61d9e07b35c;
# What nodes and clients say to each other. kernel/messages.hpp says what each message means.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("epic::wire::schema");
using Supervision = import "supervision.capnp";

struct CallId {
  node @0 :UInt16;
  life @1 :UInt64;
  sequence @2 :UInt64;
}

struct MethodEntry {
  type @0 :Text;
  method @1 :Text;
  argumentsSchema @2 :Text;
  resultSchema @3 :Text;
}

struct Hello {
  protocol @0 :UInt32;
  node @1 :UInt16;
  life @2 :UInt64;
  fabric @3 :Text;
  shardCount @4 :UInt16;
  methods @5 :List(MethodEntry);
}

struct ChainLink {
  id @0 :CallId;
  entity @1 :Text;
  method @2 :Text;
}

struct Call {
  id @0 :CallId;
  target @1 :Text;
  method @2 :UInt32;
  mapVersion @3 :UInt64;
  patienceNs @4 :Int64;
  chain @5 :List(ChainLink);
  arguments @6 :Data;
}

struct CallError {
  code @0 :UInt8;
  exceptionType @1 :Text;
  message @2 :Text;
}

struct Reply {
  sequence @0 :UInt64;
  union {
    result @1 :Data;
    error @2 :CallError;
    refusedAtMap @3 :UInt64;
  }
}

struct WaitLink {
  id @0 :CallId;
  entity @1 :Text;
  method @2 :Text;
  node @3 :UInt16;
  lockedOutSinceNs @4 :Int64;
}

struct Probe {
  target @0 :CallId;
  path @1 :List(WaitLink);
}

struct Deadlock {
  victim @0 :CallId;
  ring @1 :List(WaitLink);
}

struct Message {
  union {
    hello @0 :Hello;
    call @1 :Call;
    reply @2 :Reply;
    shardMap @3 :Supervision.ShardMap;  # from a node to its clients
    probe @4 :Probe;
    deadlock @5 :Deadlock;
  }
}
