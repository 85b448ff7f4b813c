/* SPDX-License-Identifier: Apache-2.0 */
/* What the program and the daemon share. Mirrored by src/kernel/layout.rs; a change there or here raises LAYOUT. */
#pragma once

#include <linux/types.h>

#define LAYOUT 3

/* A flow in one direction, as it enters. Zero where a protocol has no ports; type and identifier for ICMP. */
struct flow4 {
	__u32 port; /* the number of the link that it enters by */
	__be32 source;
	__be32 destination;
	__be16 source_port;
	__be16 destination_port;
	__u8 protocol;
	__u8 padding[3];
};

struct flow6 {
	__u32 port;
	__u8 source[16];
	__u8 destination[16];
	__be16 source_port;
	__be16 destination_port;
	__u8 protocol;
	__u8 padding[3];
};

/* What to do with the packets of a flow in one direction. Two of them, side by side, are the directions of one connection. */
struct slot {
	/* Written before the flow is entered in a map; then only the generations change. */
	__u32 generation[3]; /* valid as long as those of all scopes are these */
	__u32 out;           /* the link that its packets leave by */
	__u16 scope[3];      /* the same number again where there are fewer than three */
	__u16 flags;         /* SLOT_... */
	__u16 mtu;           /* largest datagram, in bytes */
	__u8 hops;           /* routers that count the packet down */
	__u8 padding;
	__u8 in_destination[6];
	__u8 in_source[6];
	__u8 out_destination[6];
	__u8 out_source[6];
	__be32 new_source;
	__be32 new_destination;
	__be16 new_source_port;
	__be16 new_destination_port;

	/* Written by the program with every packet, but for the last three. */
	__u64 packets;
	__u64 bytes;     /* of IP datagrams as on the wire */
	__u64 seen;      /* time of the last packet, in nanoseconds of the monotonic clock */
	__u32 tcp_flags; /* all seen, as flow logs add them up; who reports them clears them */
	__u32 unused;
	__u64 patience;         /* nanoseconds without a packet after which the flow is judged anew */
	__u64 reported_packets; /* what of the counters has been reported */
	__u64 reported_bytes;
	__u64 reserved;
};

#define SLOT_DENY 1
#define SLOT_PEER 2        /* the link leads to a peer that the packet can be handed to at once */
#define SLOT_ANY_SENDER 4  /* the sender's hardware address isn't looked at */
#define SLOT_NEW_SOURCE 8
#define SLOT_NEW_DESTINATION 16
#define SLOT_NEW_SOURCE_PORT 32
#define SLOT_NEW_DESTINATION_PORT 64

/* How far a connection is: the same state machine as flow/tcp.rs and flow/mod.rs in the pipeline. */
struct connection {
	__u8 kind;       /* CONNECTION_... */
	__u8 originator; /* the direction of the first packet: 0 or 1 */
	__u8 phase;      /* PHASE_... */
	__u8 ends[2];    /* END_... of originator and responder */
	__u8 asking;     /* UDP: the last packet was the originator's */
	__u8 exchanges;  /* UDP: answers that followed a request; 2 stands for more */
	__u8 tracked_at; /* where the first direction leaves an interface 1, where it comes to one 2, at a gateway 4;
	                    for the next daemon */
	__u32 finished[2]; /* the number that acknowledges an end's FIN */
};

#define CONNECTION_UNTRACKED 0
#define CONNECTION_TCP 1
#define CONNECTION_UDP 2
#define CONNECTION_OTHER 3
#define CONNECTION_QUERY 4

#define PHASE_SYN_SENT 0
#define PHASE_SYN_ANSWERED 1
#define PHASE_ESTABLISHED 2
#define PHASE_CLOSED 3

#define END_OPEN 0
#define END_FINISHED 1
#define END_ACKNOWLEDGED 2

/* A link that packets enter by. */
struct port {
	__u64 miss_cost;      /* nanoseconds of budget that a miss takes; 0 for no limit */
	__u64 miss_burst;     /* nanoseconds of budget that may be saved up */
	__u64 budget_used_to; /* written by the program */
	__u64 misses;         /* handed to user space */
	__u64 refused;        /* dropped because the budget was used up */
};

/* For all links. */
struct config {
	__u32 punt; /* the link that leads to user space; 0 while nobody is there */
	__u32 padding;
};

/* In front of a frame that is handed to user space. */
struct punted {
	__u32 port;
	__u32 reason; /* PUNT_... */
	__u64 padding;
};

#define PUNT_NOT_IP 0
#define PUNT_UNUSUAL 1 /* options, fragments, extension headers, lengths that don't fit */
#define PUNT_MISS 2
#define PUNT_STALE 3   /* known, but under older rules */
#define PUNT_EXPIRED 4
#define PUNT_CONNECTION 5 /* closed, or to be opened */
#define PUNT_NEIGHBOR 6   /* from or to another hardware address */
#define PUNT_SIZE 7       /* too long, or too many hops behind it */
