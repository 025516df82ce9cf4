/*
 * The device that mirrors page tables, as an example for drivers: tmn_fault() and
 * tmn_copy() against tmn_range_start(), tmn_range_end(), tmn_invalidate(),
 * tmn_invalidate_start() and tmn_invalidate_finish(). lib/test_mmu_notifier.c.
 *
 * A mirror of one page has an hlist subscription, an interval subscription, or one with
 * two passes; which is picked at the beginning. Two tasks run sections, three in all,
 * which all overlap the page and change it. The device serves faults and uses the page,
 * again and again. What is done under mirror->lock is one step.
 *
 * Left out: sections that are declined; young callbacks; the end of the mirror; which
 * sections mmu_interval_read_begin() waits for (collision_retry), here for all.
 *
 * Properties:
 *  - when the page table changes the mirror has no entry, and the device uses no page;
 *  - no entry is stored of a page that is no longer in the page table.
 */
/* wrong: NO_SEQ a section within a fault is not noticed, if it is over */
/* wrong: NO_SET_SEQ the same with an interval */
/* wrong: IGNORE_OPEN a fault between start and end stores what end does not drop */
/* wrong: NO_SECOND_LOOK what was read before a section is stored after it */
/* wrong: NOT_BUSY an invalidation does not wait for an access */
/* wrong: FINISH_WITHOUT_WAIT the second pass does not either */
/* wrong: FINISH_FOR_ALL nor a first pass that finds the second one taken */

mtype = { HLIST, INTERVAL, TWO_PASSES };
mtype how;
mtype = { NOTHING, CURRENT, STALE };

/* struct tmn_mirror */
mtype entry = NOTHING;
byte seq, opened, interval_seq;
bool finish_busy;
bool device_writer, device_reader;	/* of mirror->device */

byte sections, numbers;	/* that run, and that began */
mtype read = NOTHING;	/* by a fault */
mtype used = NOTHING;	/* by an access */

inline stop_device()
{
	atomic { !device_writer && !device_reader -> device_writer = true };
	device_writer = false
}

inline zap()
{
	entry = NOTHING
}

inline start()
{
	if
	:: how == HLIST ->
		atomic { !device_writer && !device_reader -> device_writer = true };
		atomic {
			opened++;
#ifndef NO_SEQ
			seq++;
#endif
			zap()
		};
		device_writer = false
	:: how == INTERVAL ->
		atomic { !device_writer && !device_reader -> device_writer = true };
		atomic {
#ifndef NO_SET_SEQ
			interval_seq = number;
#endif
			zap()
		};
		device_writer = false
	:: how == TWO_PASSES ->
		atomic {
#ifndef NO_SET_SEQ
			interval_seq = number;
#endif
			zap();
			finish = !finish_busy;
			finish_busy = true
		};
		if
		:: finish ->
#ifndef FINISH_WITHOUT_WAIT
			stop_device();
#endif
			atomic { finish_busy = false; finish = false }
		:: else ->
#ifndef FINISH_FOR_ALL
			stop_device();
#endif
			skip
		fi
	fi
}

proctype task(byte left)
{
	byte number;
	bool finish;

	do
	:: left == 0 -> break
	:: else ->
	   atomic { left--; sections++; numbers++; number = numbers };
	   start();
	   atomic {
		assert(entry == NOTHING && used == NOTHING);
		if
		:: read == CURRENT -> read = STALE
		:: else
		fi
	   };
	   /* end */
	   atomic {
		if
		:: how == HLIST -> opened--
		:: else
		fi;
		sections--;
		number = 0
	   }
	od
}

/* tmn_read_begin(), tmn_get_page(), tmn_store() */
inline fault()
{
	if
	:: how == HLIST ->
#ifdef IGNORE_OPEN
		begun = seq
#else
		atomic { !opened -> begun = seq }
#endif
	:: else -> begun = interval_seq; sections == 0
	fi;
	read = CURRENT;
	atomic {
		if
#ifdef NO_SECOND_LOOK
		:: true
#else
		:: begun == (how == HLIST -> seq : interval_seq)
#endif
		   -> assert(read == CURRENT); entry = read
#ifndef NO_SECOND_LOOK
		:: else
#endif
		fi;
		begun = 0;
		read = NOTHING
	}
}

/* tmn_copy() */
inline access()
{
#ifndef NOT_BUSY
	atomic { !device_writer -> device_reader = true };
#endif
	used = entry;
	used = NOTHING;
	device_reader = false
}

proctype device()
{
	byte begun;

end:	do
	:: fault()
	:: access()
	od
}

init
{
	atomic {
		if
		:: how = HLIST
		:: how = INTERVAL
		:: how = TWO_PASSES
		fi;
		run task(2);
		run task(1);
		run device()
	}
}
