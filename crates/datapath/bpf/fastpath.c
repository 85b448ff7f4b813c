/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fast path: runs on every frame that a link of the fabric receives from its instance.
 *
 * A frame of a flow that user space has judged is counted, rewritten and handed to its destination here. Everything
 * else goes to user space through a TAP, with a header that tells where it came from, or is dropped when nobody is
 * there. Nothing passes by any other way: the program never lets a frame on to the fabric's own network stack.
 */
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "helpers.h"
#include "layout.h"

struct {
	MAP_UINT(type, BPF_MAP_TYPE_HASH);
	MAP_UINT(map_flags, BPF_F_NO_PREALLOC);
	MAP_UINT(max_entries, 1024);
	MAP_TYPE(key, struct flow4);
	MAP_TYPE(value, __u32);
} flows4 SEC(".maps");

struct {
	MAP_UINT(type, BPF_MAP_TYPE_HASH);
	MAP_UINT(map_flags, BPF_F_NO_PREALLOC);
	MAP_UINT(max_entries, 1024);
	MAP_TYPE(key, struct flow6);
	MAP_TYPE(value, __u32);
} flows6 SEC(".maps");

/* The daemon sets the sizes of these three; it reads and writes them as memory. */
struct {
	MAP_UINT(type, BPF_MAP_TYPE_ARRAY);
	MAP_UINT(map_flags, BPF_F_MMAPABLE);
	MAP_UINT(max_entries, 2);
	MAP_TYPE(key, __u32);
	MAP_TYPE(value, struct slot);
} slots SEC(".maps");

struct {
	MAP_UINT(type, BPF_MAP_TYPE_ARRAY);
	MAP_UINT(map_flags, BPF_F_MMAPABLE);
	MAP_UINT(max_entries, 1);
	MAP_TYPE(key, __u32);
	MAP_TYPE(value, struct connection);
} connections SEC(".maps");

struct {
	MAP_UINT(type, BPF_MAP_TYPE_ARRAY);
	MAP_UINT(map_flags, BPF_F_MMAPABLE);
	MAP_UINT(max_entries, 8192);
	MAP_TYPE(key, __u32);
	MAP_TYPE(value, __u64);
} generations SEC(".maps");

struct {
	MAP_UINT(type, BPF_MAP_TYPE_HASH);
	MAP_UINT(max_entries, 65536);
	MAP_UINT(map_flags, BPF_F_NO_PREALLOC);
	MAP_TYPE(key, __u32);
	MAP_TYPE(value, struct port);
} ports SEC(".maps");

struct {
	MAP_UINT(type, BPF_MAP_TYPE_ARRAY);
	MAP_UINT(map_flags, BPF_F_MMAPABLE);
	MAP_UINT(max_entries, 1);
	MAP_TYPE(key, __u32);
	MAP_TYPE(value, struct config);
} config SEC(".maps");

/* What of a packet the fast path looks at. */
struct packet {
	__u32 length;   /* of the datagram; of a super-packet as a whole */
	__u32 headers;  /* of the datagram, up to the payload of TCP or UDP */
	__u32 upper;    /* where the header behind IP begins, from the start of the frame */
	__u8 hop_limit;
	__u8 protocol;
	__u8 flags;     /* TCP */
	__u32 end;      /* TCP: the sequence number behind the segment */
	__u32 acknowledges;
};

#define TCP_FIN 1
#define TCP_SYN 2
#define TCP_RST 4
#define TCP_ACK 16

#define AT_SOURCE (ETH_HLEN + 12)
#define AT_DESTINATION (ETH_HLEN + 16)
#define AT_IP_CHECKSUM (ETH_HLEN + 10)

/* Hands a frame to user space. */
INLINE int punt(struct __sk_buff *skb, __u32 reason)
{
	__u32 zero = 0, ifindex = skb->ifindex;
	struct config *settings = bpf_map_lookup_elem(&config, &zero);
	struct port *port = bpf_map_lookup_elem(&ports, &ifindex);
	if (!settings || !port || !settings->punt)
		return TC_ACT_SHOT;
	if (port->miss_cost) {
		/* A leaky bucket told as a time; what two processors do to it at once doesn't matter. */
		__u64 now = bpf_ktime_get_ns(), used_to = READ_ONCE(port->budget_used_to);
		if (used_to + port->miss_burst < now)
			used_to = now - port->miss_burst;
		if (used_to > now) {
			__sync_fetch_and_add(&port->refused, 1);
			return TC_ACT_SHOT;
		}
		WRITE_ONCE(port->budget_used_to, used_to + port->miss_cost);
	}
	__sync_fetch_and_add(&port->misses, 1);
	struct punted header = { .port = ifindex, .reason = reason };
	if (bpf_skb_change_head(skb, sizeof(header), 0) ||
	    bpf_skb_store_bytes(skb, 0, &header, sizeof(header), 0))
		return TC_ACT_SHOT;
	return bpf_redirect(settings->punt, 0);
}

/* Reads the ports, or what stands for them, into a flow. False for what only user space understands. */
INLINE int read_upper(struct __sk_buff *skb, void *start, void *end, struct packet *packet, __u8 echo_request,
		      __u8 echo_answer, __u8 icmp, __be16 *source_port, __be16 *destination_port)
{
	__u32 room = packet->length + ETH_HLEN - packet->upper;
	switch (packet->protocol) {
	case IPPROTO_TCP: {
		struct tcphdr *tcp = start;
		if ((void *)(tcp + 1) > end)
			return 0;
		__u32 length = tcp->doff * 4;
		if (length < sizeof(*tcp) || length > room)
			return 0;
		*source_port = tcp->source;
		*destination_port = tcp->dest;
		packet->flags = ((__u8 *)tcp)[13];
		packet->acknowledges = net32(tcp->ack_seq);
		packet->end = net32(tcp->seq) + room - length + (packet->flags & TCP_FIN);
		packet->headers = packet->upper - ETH_HLEN + length;
		return 1;
	}
	case IPPROTO_UDP: {
		struct udphdr *udp = start;
		if ((void *)(udp + 1) > end)
			return 0;
		__u32 length = net16(udp->len);
		if (length < sizeof(*udp) || length > room)
			return 0;
		*source_port = udp->source;
		*destination_port = udp->dest;
		packet->headers = packet->upper - ETH_HLEN + sizeof(*udp);
		return 1;
	}
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6: {
		/* Type, code, checksum, identifier. */
		__u8 *message = start;
		if ((void *)(message + 8) > end)
			return 0;
		if (packet->protocol != icmp || (message[0] != echo_request && message[0] != echo_answer) || message[1])
			return 0;
		*source_port = net16(message[0]);
		*destination_port = *(__be16 *)(message + 4);
		packet->headers = packet->length;
		return 1;
	}
	default:
		packet->headers = packet->length;
		return 1;
	}
}

/* Whether everything is there that may be looked at. */
INLINE int pull(struct __sk_buff *skb, __u32 length)
{
	if (likely((void *)(long)skb->data + length <= (void *)(long)skb->data_end))
		return 1;
	if (skb->len < length)
		length = skb->len;
	return !bpf_skb_pull_data(skb, length);
}

/* Whether the connection is over. */
INLINE int is_closed(struct connection *connection)
{
	return READ_ONCE(connection->phase) == PHASE_CLOSED ||
	       (READ_ONCE(connection->ends[0]) == END_ACKNOWLEDGED && READ_ONCE(connection->ends[1]) == END_ACKNOWLEDGED);
}

/* Takes notice of a TCP segment; `Connection::advance` in the pipeline. */
INLINE void advance_tcp(struct connection *connection, int responder, struct packet *packet)
{
	__u8 flags = packet->flags, phase = READ_ONCE(connection->phase);
	if (likely(phase == PHASE_ESTABLISHED && !(flags & (TCP_FIN | TCP_SYN | TCP_RST)) &&
		   !READ_ONCE(connection->ends[0]) && !READ_ONCE(connection->ends[1])))
		return;
	if (flags & TCP_RST) {
		WRITE_ONCE(connection->phase, PHASE_CLOSED);
		return;
	}
	if (phase == PHASE_SYN_SENT && responder && (flags & TCP_SYN))
		WRITE_ONCE(connection->phase, PHASE_SYN_ANSWERED);
	else if (phase == PHASE_SYN_ANSWERED && !responder && (flags & (TCP_ACK | TCP_SYN)) == TCP_ACK)
		WRITE_ONCE(connection->phase, PHASE_ESTABLISHED);
	__u8 own_end = responder ? READ_ONCE(connection->ends[1]) : READ_ONCE(connection->ends[0]);
	__u8 other_end = responder ? READ_ONCE(connection->ends[0]) : READ_ONCE(connection->ends[1]);
	__u32 other_finished = responder ? READ_ONCE(connection->finished[0]) : READ_ONCE(connection->finished[1]);
	if ((flags & TCP_ACK) && other_end == END_FINISHED && (__s32)(packet->acknowledges - other_finished) >= 0) {
		if (responder)
			WRITE_ONCE(connection->ends[0], END_ACKNOWLEDGED);
		else
			WRITE_ONCE(connection->ends[1], END_ACKNOWLEDGED);
	}
	if ((flags & TCP_FIN) && own_end == END_OPEN) {
		if (responder) {
			WRITE_ONCE(connection->finished[1], packet->end);
			WRITE_ONCE(connection->ends[1], END_FINISHED);
		} else {
			WRITE_ONCE(connection->finished[0], packet->end);
			WRITE_ONCE(connection->ends[0], END_FINISHED);
		}
	}
}

/* Takes notice of a datagram; `Exchanges::advance` in the pipeline. */
INLINE void advance_udp(struct connection *connection, int responder)
{
	__u8 exchanges = READ_ONCE(connection->exchanges);
	if (likely(exchanges >= 2))
		return;
	__u8 asking = READ_ONCE(connection->asking);
	if (!responder) {
		if (!asking)
			WRITE_ONCE(connection->asking, 1);
	} else if (asking) {
		WRITE_ONCE(connection->asking, 0);
		WRITE_ONCE(connection->exchanges, exchanges + 1);
	}
}

/* The flags of a packet as flow logs add them up. */
INLINE __u32 flags_of_record(__u8 flags)
{
	__u32 opening = 0;
	if (flags & TCP_SYN)
		opening = flags & (TCP_SYN | TCP_ACK);
	return opening | (flags & (TCP_FIN | TCP_RST));
}

INLINE int translate(struct __sk_buff *skb, struct slot *slot, struct packet *packet)
{
	__u64 pseudo = BPF_F_PSEUDO_HDR;
	__u32 at = 0;
	if (packet->protocol == IPPROTO_TCP)
		at = packet->upper + 16;
	if (packet->protocol == IPPROTO_UDP) {
		at = packet->upper + 6;
		pseudo |= BPF_F_MARK_MANGLED_0;
	}
	struct iphdr *ip = (void *)(long)skb->data + ETH_HLEN;
	if ((void *)(ip + 1) > (void *)(long)skb->data_end)
		return 0;
	__be32 source = ip->saddr, destination = ip->daddr;
	if (slot->flags & SLOT_NEW_SOURCE) {
		__be32 new = slot->new_source;
		if (at && bpf_l4_csum_replace(skb, at, source, new, pseudo | 4))
			return 0;
		if (bpf_l3_csum_replace(skb, AT_IP_CHECKSUM, source, new, 4) ||
		    bpf_skb_store_bytes(skb, AT_SOURCE, &new, 4, 0))
			return 0;
	}
	if (slot->flags & SLOT_NEW_DESTINATION) {
		__be32 new = slot->new_destination;
		if (at && bpf_l4_csum_replace(skb, at, destination, new, pseudo | 4))
			return 0;
		if (bpf_l3_csum_replace(skb, AT_IP_CHECKSUM, destination, new, 4) ||
		    bpf_skb_store_bytes(skb, AT_DESTINATION, &new, 4, 0))
			return 0;
	}
	return 1;
}

/* A port of TCP or UDP, or the identifier of an echo, which stands for one. */
INLINE int translate_port(struct __sk_buff *skb, struct packet *packet, __u32 offset, __be16 new)
{
	__u32 at = packet->upper + 6;
	__u64 flags = 0;
	if (packet->protocol == IPPROTO_TCP) {
		at = packet->upper + 16;
	} else if (packet->protocol == IPPROTO_UDP) {
		flags = BPF_F_MARK_MANGLED_0;
	} else {
		at = packet->upper + 2;
		offset = 4;
	}
	__be16 *place = (void *)(long)skb->data + ETH_HLEN + sizeof(struct iphdr) + offset;
	if ((void *)(place + 1) > (void *)(long)skb->data_end)
		return 0;
	__be16 old = *place;
	return !bpf_l4_csum_replace(skb, at, old, new, flags | 2) &&
	       !bpf_skb_store_bytes(skb, packet->upper + offset, &new, 2, 0);
}

/* Counts routers on the way down. */
INLINE int count_down(struct __sk_buff *skb, struct slot *slot, int is_ipv4)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	if (is_ipv4) {
		struct iphdr *ip = data + ETH_HLEN;
		if ((void *)(ip + 1) > end)
			return 0;
		/* RFC 1624, of the word that holds the hop limit and the protocol. */
		__u32 sum = (__u16)~ip->check + (__u16)~net16(ip->ttl << 8) + net16((ip->ttl - slot->hops) << 8);
		sum = (sum & 0xffff) + (sum >> 16);
		sum = (sum & 0xffff) + (sum >> 16);
		ip->ttl -= slot->hops;
		ip->check = ~sum;
		return 1;
	}
	struct ipv6hdr *ip = data + ETH_HLEN;
	if ((void *)(ip + 1) > end)
		return 0;
	ip->hop_limit -= slot->hops;
	return 1;
}

/* Whether nothing of a scope has changed since. */
INLINE int is_current(__u32 scope, __u32 *generation)
{
	__u64 *current = bpf_map_lookup_elem(&generations, &scope);
	return current && (__u32)READ_ONCE(*current) == READ_ONCE(*generation);
}

/* Does with the packet of a known flow what was decided, or hands it to user space where that must decide again. */
INLINE int carry_out(struct __sk_buff *skb, __u32 number, struct packet *packet, int is_ipv4)
{
	struct slot *slot = bpf_map_lookup_elem(&slots, &number);
	if (unlikely(!slot))
		return punt(skb, PUNT_MISS);
	__u32 pair = number >> 1;
	if (unlikely(!is_current(slot->scope[0], &slot->generation[0]) ||
		     (slot->scope[1] != slot->scope[0] && !is_current(slot->scope[1], &slot->generation[1])) ||
		     (slot->scope[2] != slot->scope[0] && !is_current(slot->scope[2], &slot->generation[2]))))
		return punt(skb, PUNT_STALE);
	struct connection *connection = bpf_map_lookup_elem(&connections, &pair);
	if (unlikely(!connection))
		return punt(skb, PUNT_MISS);

	struct ethhdr *ethernet = (void *)(long)skb->data;
	if ((void *)(ethernet + 1) > (void *)(long)skb->data_end)
		return TC_ACT_SHOT;
	__u32 *in = (__u32 *)slot->in_destination, *got = (__u32 *)ethernet;
	__u32 differs = (in[0] ^ got[0]) | (*(__u16 *)&in[1] ^ *(__u16 *)&got[1]);
	if (!(slot->flags & SLOT_ANY_SENDER))
		differs |= (in[1] ^ got[1]) | (in[2] ^ got[2]);
	if (unlikely(differs))
		return punt(skb, PUNT_NEIGHBOR);

	/* A super-packet counts as what it becomes on the wire. */
	__u32 segments = 1, longest = packet->length, size = skb->gso_size;
	if (size && packet->length > packet->headers + size) {
		segments = (packet->length - packet->headers + size - 1) / size;
		longest = packet->headers + size;
	}
	if (unlikely(longest > slot->mtu || (slot->hops && packet->hop_limit <= slot->hops)))
		return punt(skb, PUNT_SIZE);

	__u64 now = bpf_ktime_get_coarse_ns(), seen = READ_ONCE(slot->seen);
	__u8 kind = connection->kind;
	int responder = (number & 1) != connection->originator;
	if (packet->protocol == IPPROTO_TCP) {
		if (kind == CONNECTION_TCP) {
			if (unlikely(is_closed(connection)))
				return punt(skb, PUNT_CONNECTION);
		} else if (unlikely((packet->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN && !(slot->flags & SLOT_DENY))) {
			/* It would be tracked from now on. */
			return punt(skb, PUNT_CONNECTION);
		}
	}
	if (unlikely(now > seen && now - seen > READ_ONCE(slot->patience))) {
		/* The other direction counts as well. */
		__u32 reverse = number ^ 1;
		struct slot *other = bpf_map_lookup_elem(&slots, &reverse);
		seen = other ? READ_ONCE(other->seen) : 0;
		if (now > seen && now - seen > slot->patience)
			return punt(skb, PUNT_EXPIRED);
	}

	if (kind == CONNECTION_TCP) {
		advance_tcp(connection, responder, packet);
	} else if (kind == CONNECTION_UDP) {
		advance_udp(connection, responder);
	}
	__sync_fetch_and_add(&slot->packets, segments);
	__sync_fetch_and_add(&slot->bytes, packet->length + (segments - 1) * packet->headers);
	if (seen != now)
		WRITE_ONCE(slot->seen, now);
	if (packet->protocol == IPPROTO_TCP) {
		__u32 flags = flags_of_record(packet->flags);
		if (unlikely(flags & ~READ_ONCE(slot->tcp_flags)))
			__sync_fetch_and_or(&slot->tcp_flags, flags);
	}
	__u16 what = slot->flags;
	if (what & SLOT_DENY)
		return TC_ACT_SHOT;

	if (unlikely(slot->hops) && !count_down(skb, slot, is_ipv4))
		return TC_ACT_SHOT;
	if (unlikely(what & (SLOT_NEW_SOURCE | SLOT_NEW_DESTINATION))) {
		if (!translate(skb, slot, packet))
			return TC_ACT_SHOT;
		if ((what & SLOT_NEW_SOURCE_PORT) && !translate_port(skb, packet, 0, slot->new_source_port))
			return TC_ACT_SHOT;
		if ((what & SLOT_NEW_DESTINATION_PORT) && !translate_port(skb, packet, 2, slot->new_destination_port))
			return TC_ACT_SHOT;
	}
	__u32 *to = (void *)(long)skb->data;
	if ((void *)to + ETH_HLEN > (void *)(long)skb->data_end)
		return TC_ACT_SHOT;
	__u32 *new = (__u32 *)slot->out_destination;
	to[0] = new[0];
	to[1] = new[1];
	to[2] = new[2];
	if (what & SLOT_PEER)
		return bpf_redirect_peer(slot->out, 0);
	return bpf_redirect(slot->out, 0);
}

INLINE int take_ipv4(struct __sk_buff *skb)
{
	if (!pull(skb, ETH_HLEN + sizeof(struct iphdr) + sizeof(struct tcphdr)))
		return TC_ACT_SHOT;
	void *end = (void *)(long)skb->data_end;
	struct iphdr *ip = (void *)(long)skb->data + ETH_HLEN;
	if ((void *)(ip + 1) > end || ip->version != 4 || ip->ihl != 5 || (ip->frag_off & net16(0x3fff)) ||
	    net16(ip->tot_len) != skb->len - ETH_HLEN)
		return punt(skb, PUNT_UNUSUAL);
	__u32 *words = (__u32 *)ip;
	__u64 sum = (__u64)words[0] + words[1] + words[2] + words[3] + words[4];
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	if (unlikely(sum != 0xffff))
		return punt(skb, PUNT_UNUSUAL);
	struct packet packet = {
		.length = skb->len - ETH_HLEN,
		.upper = ETH_HLEN + sizeof(*ip),
		.hop_limit = ip->ttl,
		.protocol = ip->protocol,
	};
	struct flow4 flow = {
		.port = skb->ifindex,
		.source = ip->saddr,
		.destination = ip->daddr,
		.protocol = ip->protocol,
	};
	if (!read_upper(skb, ip + 1, end, &packet, 8, 0, IPPROTO_ICMP, &flow.source_port, &flow.destination_port))
		return punt(skb, PUNT_UNUSUAL);
	__u32 *number = bpf_map_lookup_elem(&flows4, &flow);
	return number ? carry_out(skb, *number, &packet, 1) : punt(skb, PUNT_MISS);
}

/* Whether it may be followed by something else than its own payload. */
INLINE int is_extension(__u8 next_header)
{
	switch (next_header) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_FRAGMENT:
	case IPPROTO_AH:
	case IPPROTO_DSTOPTS:
		return 1;
	default:
		return 0;
	}
}

INLINE int take_ipv6(struct __sk_buff *skb)
{
	if (!pull(skb, ETH_HLEN + sizeof(struct ipv6hdr) + sizeof(struct tcphdr)))
		return TC_ACT_SHOT;
	void *end = (void *)(long)skb->data_end;
	struct ipv6hdr *ip = (void *)(long)skb->data + ETH_HLEN;
	if ((void *)(ip + 1) > end || ip->version != 6 || is_extension(ip->nexthdr) ||
	    net16(ip->payload_len) + sizeof(*ip) != skb->len - ETH_HLEN)
		return punt(skb, PUNT_UNUSUAL);
	struct packet packet = {
		.length = skb->len - ETH_HLEN,
		.upper = ETH_HLEN + sizeof(*ip),
		.hop_limit = ip->hop_limit,
		.protocol = ip->nexthdr,
	};
	struct flow6 flow = { .port = skb->ifindex, .protocol = ip->nexthdr };
	__builtin_memcpy(flow.source, &ip->saddr, 16);
	__builtin_memcpy(flow.destination, &ip->daddr, 16);
	if (!read_upper(skb, ip + 1, end, &packet, 128, 129, IPPROTO_ICMPV6, &flow.source_port, &flow.destination_port))
		return punt(skb, PUNT_UNUSUAL);
	__u32 *number = bpf_map_lookup_elem(&flows6, &flow);
	return number ? carry_out(skb, *number, &packet, 0) : punt(skb, PUNT_MISS);
}

SEC("classifier")
int fastpath(struct __sk_buff *skb)
{
	/* A tag travels outside the frame, where nobody behind this would look. */
	if (skb->vlan_present)
		return TC_ACT_SHOT;
	switch (skb->protocol) {
	case net16(ETH_P_IP):
		return take_ipv4(skb);
	case net16(ETH_P_IPV6):
		return take_ipv6(skb);
	default:
		return punt(skb, PUNT_NOT_IP);
	}
}

char program_license[] SEC("license") = "Apache-2.0";
