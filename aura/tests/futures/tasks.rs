//! `Tasks`: no wake-up is lost between rounds, and none of an earlier set does harm.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use aura::Tasks;

use crate::common::{CountingWaker, Random, alone, open_with, small_engine};

/// A future that ends when it is told to, and leaves its waker where the test finds it.
#[derive(Clone, Default)]
struct Switch(Rc<RefCell<(bool, Option<Waker>)>>);

impl Switch {
    async fn on(self) {
        poll_fn(|context| {
            let mut state = self.0.borrow_mut();
            if state.0 {
                return Poll::Ready(());
            }
            state.1 = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn turn_on(&self) {
        let waker = {
            let mut state = self.0.borrow_mut();
            state.0 = true;
            state.1.take()
        };
        waker.expect("it was polled").wake();
    }

    fn wake(&self) {
        self.0.borrow().1.as_ref().expect("it was polled").wake_by_ref();
    }
}

/// The task heard of the second future before it asked for the next output: it will not hear again.
#[test]
fn what_was_woken_before_next_is_called_is_found_by_it() {
    for (first, second) in [(64, 0), (64, 63), (0, 64), (130, 64), (0, 1), (1, 0)] {
        let switches: Vec<Switch> = (0..131).map(|_| Switch::default()).collect();
        let mut tasks: Tasks<_> = switches.iter().cloned().map(Switch::on).collect();
        let count = Arc::new(CountingWaker::default());
        let waker = Waker::from(count.clone());
        let mut context = Context::from_waker(&waker);
        assert!(pin!(tasks.next()).poll(&mut context).is_pending());
        switches[first].turn_on();
        assert!(pin!(tasks.next()).poll(&mut context).is_ready());
        switches[second].turn_on();
        let heard = count.0.load(Ordering::SeqCst);
        let polled = pin!(tasks.next()).poll(&mut context).is_ready();
        let heard_again = count.0.load(Ordering::SeqCst) > heard;
        assert!(polled || heard_again, "after {first}, {second} is never found");
    }
}

/// Wakers may outlive the set that they were made for, and a set may get the bells of another.
#[test]
fn a_waker_of_an_earlier_set_does_no_harm() {
    // Alone, so that the second set gets the bells of the first.
    if !alone("tasks::a_waker_of_an_earlier_set_does_no_harm") {
        return;
    }
    let mut context = Context::from_waker(Waker::noop());
    let switches: Vec<Switch> = (0..200).map(|_| Switch::default()).collect();
    let mut first: Tasks<_> = switches.iter().cloned().map(Switch::on).collect();
    assert!(pin!(first.next()).poll(&mut context).is_pending());
    drop(first);
    for len in [1, 10, 100, 150, 250] {
        let present: Vec<Switch> = (0..len).map(|_| Switch::default()).collect();
        let mut second: Tasks<_> = present.iter().cloned().map(Switch::on).collect();
        assert!(pin!(second.next()).poll(&mut context).is_pending());
        switches.iter().for_each(Switch::wake);
        assert!(pin!(second.next()).poll(&mut context).is_pending());
        present[len - 1].turn_on();
        assert!(pin!(second.next()).poll(&mut context).is_ready());
        assert_eq!(second.len(), len - 1);
    }
}

/// As many outputs as futures, whatever the order, while futures are added.
#[test]
fn every_future_of_a_set_comes_out_once() {
    let engine = small_engine();
    let file = open_with(&engine, &crate::common::pattern(1, 100_000));
    let file = &file;
    let total = aura::block_on(&engine, async {
        let mut random = Random::new(7);
        let read = async |place: u64| {
            let buffer = Vec::with_capacity(64);
            (place, file.read_at(buffer, place).await.expect("inside the file").1)
        };
        let mut tasks: Tasks<_> = (0..500).map(|_| read(random.next() % 90_000)).collect();
        let (mut added, mut total) = (500, 0);
        let expected = crate::common::pattern(1, 100_000);
        while let Some((place, bytes)) = tasks.next().await {
            assert_eq!(bytes, expected[place as usize..][..64]);
            total += 1;
            while added < 20_000 && tasks.len() < 500 {
                tasks.push(read(random.next() % 90_000));
                added += 1;
            }
        }
        total
    });
    assert_eq!(total, 20_000);
}
