/*
 * A wait that is over at once where there is no reader: synchronize_srcu_readers() of
 * kernel/rcu/srcutree.c against __srcu_read_lock() and __srcu_read_unlock(), which
 * here are not those of srcu.h: the counters are what this is about.
 *
 * Two readers on two CPUs, one of which reads twice, each of them free to leave on
 * another CPU than it came in. A counter is a store to come, and so is what the caller of the wait has
 * changed: each has a buffer that is emptied at any time, for which a full barrier
 * waits. An index is turned at any time, as by a grace period that another task
 * waits for, also between its load by a reader and the counting. The sums are taken
 * one counter after the other.
 *
 * Left out: what happens when there is a reader, which is a grace period as ever;
 * counters that overflow.
 *
 * Property: nobody who can still see what was there before reads when the wait is
 * over.
 */
/* wrong: NO_FIRST_BARRIER what was changed is in the buffer while the sums are taken */
/* wrong: CAME_BEFORE_LEFT a reader that came and left between the sums hides another */
/* wrong: ONE_INDEX a reader under the other index is overlooked */
/* wrong: READER_WITHOUT_BARRIER counted too late for the sum, and reads too early */

#define READERS 2
#define SECTIONS(me) (1 + (me))

bit srcu_idx;
/* By index and CPU */
byte came[4], left[4];
#define counter(idx, cpu) ((idx) * 2 + (cpu))

/* A store of a reader that is not yet in memory */
bool came_buffered[READERS];
byte came_where[READERS];

/* What readers find, and what then must not be touched any more */
bool old = true, gone_buffered, freed;

active proctype store_buffers()
{
end:	do
	:: atomic { came_buffered[0] -> came[came_where[0]]++; came_buffered[0] = false }
	:: atomic { came_buffered[1] -> came[came_where[1]]++; came_buffered[1] = false }
	:: atomic { gone_buffered -> old = false; gone_buffered = false }
	od
}

active proctype grace_periods_of_others()
{
end:	do
	:: srcu_idx = 1 - srcu_idx
	od
}

active [READERS] proctype reader()
{
	byte me = _pid - 2, sections = 0;
	bit idx, cpu;
	bool sees;

	do
	:: sections < SECTIONS(me) ->
	   idx = srcu_idx;
	   if
	   :: cpu = 0
	   :: cpu = 1
	   fi;
	   atomic { came_where[me] = counter(idx, cpu); came_buffered[me] = true };
#ifndef READER_WITHOUT_BARRIER
	   !came_buffered[me];
#endif
	   sees = old;
	   if
	   :: sees -> assert(!freed)
	   :: else
	   fi;
	   sees = false;
	   !came_buffered[me];
	   if
	   :: cpu = 0
	   :: cpu = 1
	   fi;
	   atomic { left[counter(idx, cpu)]++; sections++; idx = 0; cpu = 0 }
	:: else -> break
	od
}

inline add_up_came(idx)
{
	sum_came = sum_came + came[counter(idx, 0)];
	sum_came = sum_came + came[counter(idx, 1)]
}

inline add_up_left(idx)
{
	sum_left = sum_left + left[counter(idx, 0)];
	sum_left = sum_left + left[counter(idx, 1)]
}

inline srcu_readers_active_idx_check(idx)
{
#ifdef CAME_BEFORE_LEFT
	add_up_came(idx);
	add_up_left(idx);
#else
	add_up_left(idx);
	add_up_came(idx);
#endif
	atomic { nobody = nobody && sum_came == sum_left; sum_came = 0; sum_left = 0 }
}

active proctype updater()
{
	byte sum_came, sum_left;
	bool nobody;

	gone_buffered = true;
	do
	:: nobody = true;
#ifndef NO_FIRST_BARRIER
	   !gone_buffered;
#endif
#ifdef ONE_INDEX
	   bit now = srcu_idx;
	   srcu_readers_active_idx_check(now);
#else
	   srcu_readers_active_idx_check(0);
	   srcu_readers_active_idx_check(1);
#endif
	   if
	   :: nobody -> break
	   :: else
	   fi
	od;
	freed = true
}
