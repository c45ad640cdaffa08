//! Futures that own their buffers: awaited side by side, in batches, and dropped halfway.

use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use aura::{Engine, File, OpError, Result, Tasks};
use aura_stress::random::Random;

use crate::account::Account;
use crate::blocks::{BLOCK_BYTES, Block};
use crate::tally::Came;

/// Futures of a worker that are awaited at a time.
const AT_ONCE: usize = 16;
/// One future in so many is dropped when it has been polled once.
const DROP_ONE_IN: u64 = 32;

type Done = (Block, Result<(usize, aura::Buffer), OpError<aura::Buffer>>);

pub(super) fn one_by_one(
    account: &Arc<Account>,
    engine: &Engine,
    numbers: Range<usize>,
    random: &mut Random,
) -> Result<()> {
    let file = File::from_borrowed(engine, &account.shift.site.file)?;
    aura::block_on(engine, async {
        let mut tasks = Tasks::new();
        for number in numbers {
            if tasks.len() == AT_ONCE {
                tasks.next().await.unwrap_or(Ok(()))?;
            }
            if random.one_in(DROP_ONE_IN) {
                start_and_drop(account, engine, &file, number, random)?;
            } else {
                tasks.push(carry_out(account, engine, &file, number, random.clone()));
                random.next();
            }
        }
        while let Some(done) = tasks.next().await {
            done?;
        }
        Ok(())
    })
}

/// Awaits a read or a write.
async fn carry_out(
    account: &Account,
    engine: &Engine,
    file: &File,
    number: usize,
    mut random: Random,
) -> Result<()> {
    let blocks = &account.shift.site.blocks;
    let mut buffer = engine.allocate_buffer(BLOCK_BYTES)?;
    if let Some(block) = random.one_in(8).then(|| blocks.claim_write(&mut random)).flatten() {
        block.fill(buffer.as_mut_slice());
        let result = file.write_at(buffer, block.offset()).await;
        let is_whole = matches!(result, Ok((BLOCK_BYTES, _)));
        blocks.release_write(block, is_whole);
        enter(account, number, is_whole, || format!("an awaited write of {block:?}: {result:?}"));
    } else if let Some(block) = blocks.claim_read(&mut random) {
        block.spoil(buffer.as_mut_slice());
        let result = file.read_at(buffer, block.offset()).await;
        check_read(account, number, (block, result));
    } else {
        // Nothing can be had now; the file's end always can.
        let result = file.read_at(buffer, u64::from(u32::MAX)).await;
        enter(account, number, matches!(result, Ok((0, _))), || {
            format!("past the end: {result:?}")
        });
    }
    Ok(())
}

/// Polls a read once, and drops it.
fn start_and_drop(
    account: &Account,
    engine: &Engine,
    file: &File,
    number: usize,
    random: &mut Random,
) -> Result<()> {
    let block = account.shift.site.direct_block(random); // Any offset: nobody looks at what it brings.
    let buffer = engine.allocate_buffer(BLOCK_BYTES)?;
    let read = pin!(file.read_at(buffer, block.offset()));
    match read.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Pending => account.abandon(number),
        Poll::Ready(result) => {
            enter(account, number, result.is_ok(), || format!("a read in one go: {result:?}"));
        }
    }
    Ok(())
}

pub(super) fn in_batches(
    account: &Arc<Account>,
    engine: &Engine,
    numbers: Range<usize>,
    random: &mut Random,
) -> Result<()> {
    let file = File::from_borrowed(engine, &account.shift.site.file)?;
    let blocks = &account.shift.site.blocks;
    let mut numbers = numbers.peekable();
    while numbers.peek().is_some() {
        let claimed: Vec<Block> = (0..AT_ONCE).filter_map(|_| blocks.claim_read(random)).collect();
        if claimed.is_empty() {
            std::thread::yield_now();
            continue;
        }
        let mut reads = Vec::new();
        let mut given = Vec::new();
        for block in claimed {
            let Some(number) = numbers.next() else {
                blocks.release_read(block);
                continue;
            };
            let mut buffer = engine.allocate_buffer(BLOCK_BYTES)?;
            block.spoil(buffer.as_mut_slice());
            reads.push(file.read_at(buffer, block.offset()));
            given.push((number, block));
        }
        let results = aura::block_on(engine, engine.submit_batch(reads));
        for ((number, block), result) in given.into_iter().zip(results) {
            check_read(account, number, (block, result));
        }
    }
    Ok(())
}

fn check_read(account: &Account, number: usize, (block, result): Done) {
    account.shift.site.blocks.release_read(block);
    let difference = match &result {
        Ok((BLOCK_BYTES, buffer)) => block.difference(buffer.as_slice()),
        _ => Some(0),
    };
    account.shift.tally.verified(BLOCK_BYTES);
    enter(account, number, difference.is_none(), || {
        format!("an awaited read of {block:?}: {result:?}, wrong from {difference:?} on")
    });
}

fn enter(account: &Account, number: usize, is_right: bool, what: impl FnOnce() -> String) {
    account.accept();
    if is_right {
        account.shift.enter(number, Came::Right);
    } else {
        account.shift.tally.finding(what());
    }
}
